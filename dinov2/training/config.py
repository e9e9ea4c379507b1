"""The configuration of a training run; pretraining, high resolution and distillation are three of them."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from dinov2.config import Config
from dinov2.data.augment import CropsConfig
from dinov2.data.masks import MaskConfig
from dinov2.models import ModelConfig
from dinov2.training.network import HeadsConfig, Start
from dinov2.training.objective import ObjectiveConfig
from dinov2.training.optimiser import Momentum, OptimiserConfig, Schedules
from dinov2.training.sharding import Precision

Method = Literal["dinov2", "ibot"]

TAKEN = ("pretrain", "highres")
"""Names of the other runs, which no student may have."""

StudentName = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Names files, and is a word of the commands in dvc.yaml, which a shell reads."""


class TrainingConfig(Config):
    """Everything that determines a run's result besides its images, its start and the seed."""

    model: ModelConfig
    heads: HeadsConfig = HeadsConfig()
    crops: CropsConfig = CropsConfig()
    masks: MaskConfig = MaskConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    method: Method = Field("dinov2", description="ibot: as before DINOv2, slower and larger; for comparison")
    batch_size: PositiveInt = 3072
    group_size: PositiveInt = Field(
        32, description="images that KoLeo and stochastic depth look at together; in the release those of a GPU"
    )
    epochs: PositiveFloat = 500
    epoch_length: PositiveFloat = 1250
    precision: Precision = "bf16"
    initialisation: Start = "published"
    init_from: str | None = Field(
        None, description="weights to start from: .safetensors written here, or an official .pth"
    )
    skip_limit: NonNegativeInt = Field(3, description="steps in a row that may be skipped as not finite")

    @model_validator(mode="before")
    @classmethod
    def _as_the_method_has_it(cls, given: Any) -> Any:
        """iBOT has one head for both losses and centres; nothing else may be asked of it."""
        if not (isinstance(given, dict) and given.get("method") == "ibot"):
            return given
        for section, key, value in (("heads", "shared", True), ("objective", "targets", "centring")):
            own = given.get(section, {})
            own = own if isinstance(own, dict) else dict(own)
            if section in given and own.get(key, value) != value:
                raise ValueError(f"{section}.{key} {own[key]!r}: method ibot has {value!r}")
            given = given | {section: own | {key: value}}
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.batch_size % self.group_size:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of group_size {self.group_size}")
        patch = self.model.patch_size
        for name in ("global_size", "local_size"):
            size = getattr(self.crops, name)
            if size % patch:
                raise ValueError(f"crops.{name} {size} is not a multiple of model.patch_size {patch}")
        if self.crops.local_size > self.crops.global_size:
            raise ValueError(f"crops.local_size {self.crops.local_size} is above global_size {self.crops.global_size}")
        if self.optimiser.warmup_epochs >= self.epochs:
            raise ValueError(
                f"optimiser.warmup_epochs {self.optimiser.warmup_epochs:g} is not below epochs {self.epochs:g}"
            )
        return self

    @property
    def iterations(self) -> int:
        """Steps of the whole run."""
        return round(self.epochs * self.epoch_length)

    @property
    def schedules(self) -> Schedules:
        """Rates, decay, momentum and temperature by step."""
        return Schedules(
            self.optimiser, self.objective.teacher_temperature, self.batch_size, self.iterations, self.epoch_length
        )


class HighresConfig(Config):
    """The last phase at high resolution: what differs from pretraining (Oquab et al. 2023, appendix B.2).

    The schedules of pretraining are compressed into `iterations`; position embeddings are interpolated.
    """

    global_size: PositiveInt = 518
    local_size: PositiveInt = 98
    batch_size: PositiveInt = 2048
    group_size: PositiveInt = Field(8, description="smaller than in pretraining, since the images are larger")
    iterations: PositiveInt = 10_000
    base_lr: PositiveFloat = 2e-5

    def training(self, pretrain: TrainingConfig) -> TrainingConfig:
        """The whole configuration of the phase."""
        sizes = {"global_size": self.global_size, "local_size": self.local_size}
        changed = {
            "crops": pretrain.crops.model_copy(update=sizes),
            "optimiser": pretrain.optimiser.model_copy(update={"base_lr": self.base_lr}),
            "batch_size": self.batch_size,
            "group_size": self.group_size,
            "epoch_length": self.iterations / pretrain.epochs,
            "init_from": None,
        }
        return TrainingConfig.model_validate(dict(pretrain) | changed)


class DistillConfig(Config):
    """Distillation of a frozen teacher into smaller students (Oquab et al. 2023, section 5).

    The same objective, without masks (iBOT on every patch of the global crops) and without stochastic depth.
    """

    teacher: str = Field(
        "weights/highres.training.safetensors",
        description="a training file, a backbone.safetensors or an official .pth; dinov2 fetch brings one from MLflow",
    )
    students: tuple[StudentName, ...] = ("S", "B", "L")
    models: dict[str, ModelConfig]
    global_size: PositiveInt = 224
    local_size: PositiveInt = 98
    batch_size: PositiveInt = 2048
    group_size: PositiveInt = 32
    epochs: PositiveFloat = 500
    epoch_length: PositiveFloat = 1250
    base_lr: PositiveFloat = 1e-3
    warmup_epochs: NonNegativeFloat = 80
    student_momentum: tuple[Momentum, Momentum] = (0.994, 1.0)

    @model_validator(mode="after")
    def _listed(self) -> Self:
        taken = [name for name in self.students if name in TAKEN or self.students.count(name) > 1]
        if taken:
            raise ValueError(f"students {taken[0]!r}: names must differ, and not be {' or '.join(TAKEN)}")
        dropping = [name for name, model in self.models.items() if model.drop_path]
        if dropping:
            drop_path = self.models[dropping[0]].drop_path
            raise ValueError(f"models.{dropping[0]}.drop_path {drop_path}: distillation is without, it must be 0")
        missing = [name for name in self.students if name not in self.models]
        if missing:
            raise ValueError(
                f"students {missing[0]!r} has no entry in models; there are: {', '.join(sorted(self.models))}"
            )
        return self

    def training(self, student: str, teacher: TrainingConfig) -> TrainingConfig:
        """The whole configuration of one student's run; augmentation, heads and objective are its teacher's."""
        optimiser = {
            "base_lr": self.base_lr,
            "warmup_epochs": self.warmup_epochs,
            "teacher_momentum": self.student_momentum,
            "layer_decay": 1.0,
        }
        changed = {
            "model": self.models[student],
            "crops": teacher.crops.model_copy(update={"global_size": self.global_size, "local_size": self.local_size}),
            "optimiser": teacher.optimiser.model_copy(update=optimiser),
            "batch_size": self.batch_size,
            "group_size": self.group_size,
            "epochs": self.epochs,
            "epoch_length": self.epoch_length,
            "init_from": None,
        }
        return TrainingConfig.model_validate(dict(teacher) | changed)
