"""A whole step's losses from crops, masks and two networks."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from dinov2.config import Config
from dinov2.training.losses import dino_loss, ibot_loss, koleo_loss
from dinov2.training.network import Network, Outputs
from dinov2.training.sinkhorn import Centring, sinkhorn_knopp

Weight = Annotated[float, Field(ge=0.0)]


class ObjectiveConfig(Config):
    """Weights and temperatures. Defaults are the paper's."""

    dino_weight: Weight = 1.0
    ibot_weight: Weight = 1.0
    koleo_weight: Weight = 0.1
    targets: Literal["sinkhorn", "centring"] = "sinkhorn"
    student_temperature: PositiveFloat = 0.1
    teacher_temperature: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.04, 0.07), description="at the start, and from the end of its warm-up on"
    )


@dataclass(frozen=True)
class Crops:
    """A step's input on the device: floats for the networks, and which patches are predicted.

    Attributes:
        globals: (2 B, 3, G, G), all first crops, then all second.
        locals: (L B, 3, l, l).
        hidden: (2 B, N) bool, patches the student does not see; None where it sees all.
        predicted: (2 B, N) bool, patches whose assignment it predicts.
    """

    globals: Tensor
    locals: Tensor
    hidden: Tensor | None
    predicted: Tensor


@dataclass(frozen=True)
class Losses:
    """A step's losses, and what watches over collapse needs.

    Attributes:
        total: weighted sum of the four scalars that follow.
        targets: the teacher's assignments of the global crops (2 B, K).
        cls: the student's class tokens of the global crops (2 B, D), detached.
    """

    total: Tensor
    dino_global: Tensor
    dino_local: Tensor
    ibot: Tensor
    koleo: Tensor
    targets: Tensor
    cls: Tensor

    def terms(self) -> dict[str, Tensor]:
        """The scalars by name."""
        return {
            "loss": self.total,
            "dino_global": self.dino_global,
            "dino_local": self.dino_local,
            "ibot": self.ibot,
            "koleo": self.koleo,
        }


class Objective:
    """DINO + iBOT + KoLeo (Oquab et al. 2023, section 4).

    Args:
        config: weights and temperatures.
        prototypes: K, for the running means of centring.
    """

    def __init__(self, config: ObjectiveConfig, prototypes: int) -> None:
        self.config = config
        self.centrings = [Centring(prototypes) for _ in range(2)] if config.targets == "centring" else []

    def __call__(self, student: Network, teacher: Network, crops: Crops, temperature: float) -> Losses:
        """The losses of one step; gradients flow into the student only.

        Args:
            student: in training mode.
            teacher: in evaluation mode.
            crops: of this rank.
            temperature: the teacher's at this step.
        """
        chosen = crops.predicted.flatten().nonzero()[:, 0]
        with torch.no_grad():
            taught = teacher(crops.globals, None, None, chosen)
            cls_targets, patch_targets = self._targets(taught, temperature)
        told = student(crops.globals, crops.locals if len(crops.locals) else None, crops.hidden, chosen)
        return self._losses(told, cls_targets, patch_targets, crops.predicted)

    def state(self) -> dict[str, Tensor]:
        """What changes from step to step: the running means of centring."""
        return {f"centre{number}": centring.centre for number, centring in enumerate(self.centrings)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        for number, centring in enumerate(self.centrings):
            centring.centre = state[f"centre{number}"]

    def _targets(self, taught: Outputs, temperature: float) -> tuple[Tensor, Tensor]:
        if not self.centrings:
            return sinkhorn_knopp(taught.cls_logits, temperature), sinkhorn_knopp(taught.patch_logits, temperature)
        cls, patch = self.centrings
        return cls(taught.cls_logits, temperature), patch(taught.patch_logits, temperature)

    def _losses(self, told: Outputs, cls_targets: Tensor, patch_targets: Tensor, predicted: Tensor) -> Losses:
        config, batch = self.config, len(told.cls) // 2
        logits_cbk = told.cls_logits.unflatten(0, (-1, batch))
        targets_2bk = cls_targets.unflatten(0, (2, batch))
        dino_global, dino_local = dino_loss(logits_cbk[:2], logits_cbk[2:], targets_2bk, config.student_temperature)
        ibot = ibot_loss(told.patch_logits, patch_targets, predicted, config.student_temperature)
        first, second = told.cls.chunk(2)
        koleo = koleo_loss(first) + koleo_loss(second)
        total = (
            config.dino_weight * (dino_global + dino_local) + config.ibot_weight * ibot + config.koleo_weight * koleo
        )
        return Losses(total, dino_global, dino_local, ibot, koleo, cls_targets, told.cls.detach())
