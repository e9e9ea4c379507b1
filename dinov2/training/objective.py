"""A whole step's losses from crops, masks and two networks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from dinov2.config import Config
from dinov2.models.depth import Draw
from dinov2.training.crops import Crops
from dinov2.training.losses import koleo_loss, patch_weights
from dinov2.training.network import Network
from dinov2.training.projection import Projection
from dinov2.training.prototype_loss import prototype_loss
from dinov2.training.targets import ASSIGNERS, Assignments

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
class Losses:
    """A step's losses, and what watches over collapse needs.

    Attributes:
        total: weighted sum of the four scalars that follow.
        targets: the teacher's assignments of the global crops, 2 B rows.
        cls: the student's class tokens of the global crops (2 B, D), detached.
    """

    total: Tensor
    dino_global: Tensor
    dino_local: Tensor
    ibot: Tensor
    koleo: Tensor
    targets: Assignments
    cls: Tensor

    def terms(self) -> dict[str, Tensor]:
        """The scalars by name, without gradient."""
        return {
            "loss": self.total.detach(),
            "dino_global": self.dino_global.detach(),
            "dino_local": self.dino_local.detach(),
            "ibot": self.ibot.detach(),
            "koleo": self.koleo.detach(),
        }


@dataclass(frozen=True)
class Lesson:
    """What the teacher says of one part of a step: assignments of its global crops, and of its predicted patches."""

    cls: Assignments
    patches: Assignments


class Objective:
    """DINO + iBOT + KoLeo (Oquab et al. 2023, section 4).

    Args:
        config: weights and temperatures.
        prototypes: K.
        group: images among which KoLeo seeks neighbours; divides those of every part.
    """

    def __init__(self, config: ObjectiveConfig, prototypes: int, group: int) -> None:
        self.config, self.group = config, group
        self.cls, self.patches = (ASSIGNERS[config.targets](prototypes) for _ in range(2))

    def __call__(
        self, student: Network, teacher: Network, crops: Crops, temperature: float, draw: Draw | None = None
    ) -> Losses:
        """The losses of a step that is one part on every process; gradients flow into the student only.

        Args:
            student: in training mode.
            teacher: in evaluation mode.
            crops: of this process.
            temperature: the teacher's at this step.
            draw: of the student's stochastic depth; None draws from torch's random numbers.
        """
        (lesson,) = self.teach(teacher, [crops], temperature)
        return self.losses(student, crops, lesson, draw)

    @torch.no_grad()
    def teach(self, teacher: Network, parts: Iterable[Crops], temperature: float) -> list[Lesson]:
        """The teacher's assignments for all parts of a step, made together over all parts and processes."""
        cls: list[Projection] = []
        patches: list[Projection] = []
        for part in parts:
            told = teacher(part.globals, None, None, part.chosen)
            # One copy of the prototypes will do for all parts.
            cls.append(replace(told.cls_logits, prototypes=(cls or [told.cls_logits])[0].prototypes))
            patches.append(replace(told.patch_logits, prototypes=(patches or [told.patch_logits])[0].prototypes))
        assigned = self.cls.assign(cls, temperature), self.patches.assign(patches, temperature)
        return [Lesson(*both) for both in zip(*assigned, strict=True)]

    def losses(self, student: Network, crops: Crops, lesson: Lesson, draw: Draw | None = None) -> Losses:
        """The losses of one part, as means over its images."""
        config = self.config
        locals_ = crops.locals if len(crops.locals) else None
        told = student(crops.globals, locals_, crops.hidden, crops.chosen, draw)
        dino, dino_global, dino_local = self._dino(told.cls_logits, lesson.cls, len(told.cls) // 2)
        ibot = self._ibot(told.patch_logits, lesson.patches, crops.predicted)
        # Both crops of an image have neighbours of their own; their two means are summed.
        koleo = 2 * koleo_loss(told.cls.unflatten(0, (-1, self.group)))
        total = config.dino_weight * dino + config.ibot_weight * ibot + config.koleo_weight * koleo
        return Losses(total, dino_global, dino_local, ibot, koleo, lesson.cls, told.cls.detach())

    def commit(self) -> None:
        """Let the running means of centring take in the step."""
        self.cls.commit()
        self.patches.commit()

    def state(self) -> dict[str, dict[str, Tensor]]:
        """What changes from step to step: the running means of centring."""
        return {"cls": self.cls.state(), "patches": self.patches.state()}

    def load(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Take over what `state` gave."""
        self.cls.load(state["cls"])
        self.patches.load(state["patches"])

    def _dino(self, student: Projection, targets: Assignments, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of `losses.dino_loss`, and its two terms without gradient."""
        crops = len(student) // batch
        weights_c1 = torch.full((crops, 1), 2.0 / (2 + 2 * (crops - 2)) / batch, device=student.features.device)
        weights_c1[:2] /= 2  # a local crop predicts two teacher crops, a global one the other

        def predicted(part: slice) -> Tensor:
            first, second = targets(part).chunk(2)
            both = torch.add(first, second).div_(2)
            return torch.cat([second, first, *[both] * (crops - 2)])

        weights = weights_c1.expand(-1, batch).flatten()
        total, rows_n = prototype_loss(student, predicted, weights, self.config.student_temperature)
        own, local = (rows_n * weights).split([2 * batch, len(student) - 2 * batch])
        return total, own.sum(), local.sum()

    def _ibot(self, student: Projection, targets: Assignments, masks: Tensor) -> Tensor:
        """The loss of `losses.ibot_loss`."""
        return prototype_loss(student, targets, patch_weights(masks), self.config.student_temperature)[0]
