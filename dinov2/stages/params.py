"""The whole of params.yaml."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from dinov2.config import Config, parse, read_yaml
from dinov2.curation.config import BootstrapConfig, DeduplicateConfig, EmbedConfig, RetrieveConfig
from dinov2.data.config import IngestConfig
from dinov2.data.filters import files_of
from dinov2.data.pack import PackConfig
from dinov2.errors import ConfigError
from dinov2.evaluation.config import EvaluateConfig
from dinov2.launch import shape
from dinov2.registry.config import RegisterConfig
from dinov2.settings import Settings
from dinov2.training.config import DistillConfig, HighresConfig, TrainingConfig

PARAMS = "params.yaml"


class Params(Config):
    """Everything that determines a result, one section a stage."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    ingest: IngestConfig
    embed: EmbedConfig
    deduplicate: DeduplicateConfig
    retrieve: RetrieveConfig
    pack: PackConfig
    pretrain: TrainingConfig
    highres: HighresConfig
    distill: DistillConfig
    evaluate: EvaluateConfig
    register_: Annotated[RegisterConfig, Field(alias="register")]

    @property
    def given(self) -> dict[str, str]:
        """What is not made here but given, weights and lists: the parameter's name to the file or registered model."""
        descriptors = {"embed.copy": self.embed.copy_, "embed.retrieval": self.embed.retrieval}
        named = {f"{key}.weights": getattr(own, "weights", None) for key, own in descriptors.items()}
        files = files_of(self.ingest.filters) | {key: weights for key, weights in named.items() if weights}
        return files | ({"pretrain.init_from": self.pretrain.init_from} if self.pretrain.init_from else {})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.pretrain.crops.global_size, self.highres.global_size
        if high < low:
            raise ValueError(f"highres.global_size {high} is below pretrain.crops.global_size {low}")
        self._check_phases()
        models = ("highres", *self.distill.students)
        unknown = [model for model in self.evaluate.models if model not in models]
        if unknown:
            raise ValueError(f"evaluate.models {unknown[0]!r}; allowed: {', '.join(models)}")
        names = [source.name for source in self.ingest.sources]
        strange = [name for name in self.evaluate.datasets if name not in names]
        if strange:
            raise ValueError(f"evaluate.datasets {strange[0]!r}; sources are: {', '.join(names)}")
        if taken := [each.name for each in self.evaluate.sets if each.name in names]:
            raise ValueError(f"evaluate.sets {taken[0]!r}: a source has that name; each needs its own")
        return self

    def _check_phases(self) -> None:
        """The later phases take over most of pretraining's parameters: what they change must fit the rest."""
        patch = self.pretrain.model.patch_size
        phases: dict[str, HighresConfig | DistillConfig] = {"highres": self.highres, "distill": self.distill}
        for name, phase in phases.items():
            sizes = f"{name}: global_size {phase.global_size}, local_size {phase.local_size}"
            if phase.global_size % patch or phase.local_size % patch:
                raise ValueError(f"{sizes}: not multiples of pretrain.model.patch_size {patch}")
            if phase.batch_size % phase.group_size:
                raise ValueError(
                    f"{name}: batch_size {phase.batch_size} is not a multiple of group_size {phase.group_size}"
                )
            if phase.local_size > phase.global_size:
                raise ValueError(f"{sizes}: the local crop must not be the larger one")
        self._check_bootstrap()
        for name in ("resolution", "pca_resolution"):
            size = getattr(self.evaluate, name)
            if size % patch:
                raise ValueError(f"evaluate.{name} {size} is not a multiple of pretrain.model.patch_size {patch}")
        for student in self.distill.students:
            own = self.distill.models[student].patch_size
            if own != patch:
                raise ValueError(f"distill.models.{student}.patch_size {own} is not its teacher's, {patch}")
        if self.distill.warmup_epochs >= self.distill.epochs:
            warmup, epochs = self.distill.warmup_epochs, self.distill.epochs
            raise ValueError(f"distill.warmup_epochs {warmup:g} is not below distill.epochs {epochs:g}")

    def _check_bootstrap(self) -> None:
        """A descriptor that a short run makes has pretraining's crops, and may have another model."""
        pretrain = self.pretrain
        for use, own in (("copy", self.embed.copy_), ("retrieval", self.embed.retrieval)):
            if not isinstance(own, BootstrapConfig):
                continue
            patch = (own.model or pretrain.model).patch_size
            crops = (pretrain.crops.global_size, pretrain.crops.local_size)
            for size in (*crops, own.resolution or patch):
                if size % patch:
                    raise ValueError(
                        f"embed.{use}: patches of {patch} pixels do not tile {size} pixels; sizes are "
                        f"pretrain.crops {crops[0]} and {crops[1]}, and embed.{use}.resolution"
                    )
            if not round(pretrain.iterations * own.share):
                raise ValueError(f"embed.{use}.share {own.share:g}: no step of pretrain's {pretrain.iterations}")


def load_params(root: Path) -> Params:
    """The parameters of the workspace.

    Raises:
        ConfigError: a line for each fault, naming the key, the value and what is allowed.
    """
    path = root / PARAMS
    return parse(Params, read_yaml(path), PARAMS)


def check_processes(params: Params, settings: Settings, root: Path) -> None:
    """Refuse batches and parameters that cannot be shared out among the processes that would train.

    Args:
        params: the whole of params.yaml.
        settings: of this process.
        root: the workspace, which may say how many processes a stage has.

    Raises:
        ConfigError: names the key, its value and the number of processes.
    """
    phases: dict[str, TrainingConfig | HighresConfig | DistillConfig] = {
        "pretrain": params.pretrain,
        "highres": params.highres,
        "distill": params.distill,
    }
    for name, phase in phases.items():
        own = shape(name, settings, root)
        said = f"DINOV2_PROCESSES={own.processes}"
        if own.elsewhere:
            said = f"the {own.processes} processes that k8s/jobs.yaml has for stages.{name}"
        if settings.shard_over and own.processes % settings.shard_over:
            raise ConfigError(f"DINOV2_SHARD_OVER: {settings.shard_over}: does not divide {said}")
        groups = phase.batch_size // phase.group_size
        if groups % own.processes:
            raise ConfigError(
                f"{PARAMS}: {name}.batch_size: {phase.batch_size}: its {groups} groups of {name}.group_size "
                f"{phase.group_size} do not divide over {said}"
            )
