"""What the teacher assigns: Sinkhorn-Knopp, or a softmax of centred logits. Neither needs the logits to be whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dinov2.training.projection import Projection, log_partition, scores
from dinov2.training.sinkhorn import sinkhorn_potentials, sum_over_ranks

ITERATIONS = 3


@dataclass(frozen=True)
class Assignments:
    """The teacher's soft assignments of n tokens to K prototypes, computed for those prototypes that are asked for.

    They are exp(logits * scale + rows + columns).

    Attributes:
        teacher: of the n tokens.
        scale: 1 / temperature.
        rows: (n, 1) in fp32.
        columns: (K,) in fp32.
    """

    teacher: Projection
    scale: float
    rows: Tensor
    columns: Tensor

    @torch.no_grad()
    def __call__(self, part: slice) -> Tensor:
        """(n, part) in fp32; over all prototypes each row sums to 1."""
        return scores(self.teacher.logits(part), self.scale, self.columns[part]).add_(self.rows).exp_()


class Assigner(Protocol):
    """How one head's assignments are made, with what it remembers between steps."""

    def assign(self, teacher: Sequence[Projection], temperature: float) -> list[Assignments]:
        """Assignments of the parts of a step on this process; made together over all parts and processes."""

    def commit(self) -> None:
        """Remember this step: it was found sound."""

    def state(self) -> dict[str, Tensor]:
        """What changes from step to step."""

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""


class Sinkhorn:
    """`ITERATIONS` rounds of Sinkhorn-Knopp over the whole batch; remembers nothing."""

    def __init__(self, _prototypes: int) -> None: ...

    def assign(self, teacher: Sequence[Projection], temperature: float) -> list[Assignments]:
        """Assignments of the parts of a step on this process; made together over all parts and processes."""
        prototypes, scale = teacher[0].prototypes, 1.0 / temperature
        joined = Projection(torch.cat([part.features for part in teacher]), prototypes).kept()
        rows, columns = sinkhorn_potentials(
            joined.logits, len(joined), len(prototypes), prototypes.device, scale, ITERATIONS
        )
        counts = [len(part) for part in teacher]
        parts = zip(joined.split(counts), rows.split(counts), strict=True)
        return [Assignments(part, scale, own, columns) for part, own in parts]

    def commit(self) -> None:
        """Nothing."""

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        """Nothing."""


class Centring:
    """Softmax of logits less their running mean (Caron et al. 2021, DINO, section 3.1).

    Args:
        prototypes: K.
        momentum: share of the old mean that is kept each step.
    """

    def __init__(self, prototypes: int, momentum: float = 0.9) -> None:
        self.centre = torch.zeros(prototypes)
        self.momentum = momentum
        self._next = self.centre

    @torch.no_grad()
    def assign(self, teacher: Sequence[Projection], temperature: float) -> list[Assignments]:
        """Assignments with the mean of the steps before; the mean over all parts and processes is for `commit`."""
        prototypes_kd = teacher[0].prototypes
        centre = self.centre.to(prototypes_kd.device)
        count = sum_over_ranks(torch.tensor(float(sum(map(len, teacher))), device=centre.device))
        # The mean of products with the prototypes is the product with the mean.
        sums_d = torch.stack([part.features.float().sum(dim=0) for part in teacher]).sum(dim=0)
        mean_k = prototypes_kd.float() @ (sum_over_ranks(sums_d) / count.clamp(min=1.0))
        self._next = centre.lerp(mean_k, 1 - self.momentum) if count > 0 else centre
        scale, columns = 1.0 / temperature, -centre / temperature
        parts = [part.kept() for part in teacher]
        return [Assignments(part, scale, -log_partition(part, scale, columns), columns) for part in parts]

    def commit(self) -> None:
        """Move the mean."""
        self.centre = self._next

    def state(self) -> dict[str, Tensor]:
        """The mean."""
        return {"centre": self.centre}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.centre = state["centre"]


ASSIGNERS: dict[str, type[Sinkhorn] | type[Centring]] = {"sinkhorn": Sinkhorn, "centring": Centring}
