"""One training step."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from dinov2.data.images import normalise
from dinov2.data.loader import Batch
from dinov2.errors import UserError
from dinov2.storage import digest
from dinov2.training.objective import Crops, Losses
from dinov2.training.optimiser import Hyper, apply, clip
from dinov2.training.sharding import update_average
from dinov2.training.trainee import Trainee


@dataclass(frozen=True)
class Step:
    """What happened: losses, and gradient norms before clipping."""

    losses: Losses
    norms: dict[str, Tensor]

    def metrics(self) -> dict[str, Tensor]:
        """Scalars by name."""
        return self.losses.terms() | {f"gradient_{name}": norm for name, norm in self.norms.items()}


def train_step(trainee: Trainee, crops: Crops, hyper: Hyper, clip_grad: float) -> Step:
    """Losses, gradients, update of the student, update of the average.

    Raises:
        UserError: a loss or a gradient is not finite; nothing was updated.
    """
    apply(trainee.optimiser, hyper)
    losses = trainee.objective(trainee.student, trainee.teacher, crops, hyper.teacher_temperature)
    losses.total.backward()
    step = Step(losses, clip(trainee.student, clip_grad))
    if not torch.isfinite(torch.stack([losses.total.detach(), *step.norms.values()])).all():
        values = ", ".join(f"{name} {value.item():.4g}" for name, value in step.metrics().items())
        raise UserError(f"a loss or gradient is not finite, and nothing was updated with it: {values}")
    trainee.optimiser.step()
    trainee.optimiser.zero_grad()
    update_average(trainee.average, trainee.student, hyper.momentum)
    return step


def seed_step(seed: int, step: int) -> None:
    """Make stochastic depth a function of (seed, step, rank), so that a resumed run draws the same."""
    torch.manual_seed(int(digest("step", seed, step, dist.get_rank()), 16) >> 1)


def prepare(batch: Batch, device: torch.device, distilling: bool) -> Crops:
    """The batch on the device; in distillation nothing is hidden and every patch is predicted."""
    batch = batch.to(device)
    return Crops(
        globals=normalise(batch.globals),
        locals=normalise(batch.locals),
        hidden=None if distilling else batch.masks,
        predicted=torch.ones_like(batch.masks) if distilling else batch.masks,
    )
