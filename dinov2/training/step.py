"""One training step."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.profiler import record_function

from dinov2.training.crops import Parts
from dinov2.training.guard import sound
from dinov2.training.network import Network
from dinov2.training.objective import Lesson, Losses, Objective
from dinov2.training.optimiser import Hyper, apply, clip, norms
from dinov2.training.scaler import LossScale
from dinov2.training.sharding import average_gradients, update_average
from dinov2.training.trainee import Trainee


@dataclass(frozen=True)
class Step:
    """What happened.

    Attributes:
        losses: of each part.
        metrics: means of the losses over the parts, and the norms of the gradients before clipping.
        taken: whether the student was updated; False if something was not finite.
        rescaled: it was not, only because gradients overflowed at a scale of the loss that has been lowered since.
    """

    losses: list[Losses]
    metrics: dict[str, Tensor]
    taken: bool
    rescaled: bool


def train_step(
    trainees: Sequence[Trainee], teacher: Network, objective: Objective, parts: Parts, hyper: Hyper, step: int
) -> list[Step]:
    """Lessons from the teacher; then for each student losses, gradients, its update and that of its average.

    Args:
        trainees: students of this teacher.
        teacher: in evaluation mode.
        objective: what they are trained for.
        parts: of this process.
        hyper: rates of this step.
        step: counted from 0.
    """
    with record_function("teacher"):
        lessons = objective.teach(teacher, parts, hyper.teacher_temperature)
    steps = [_learn(trainee, objective, parts, lessons, hyper, step) for trainee in trainees]
    if any(each.taken for each in steps):
        objective.commit()
    return steps


def _learn(
    trainee: Trainee, objective: Objective, parts: Parts, lessons: Sequence[Lesson], hyper: Hyper, step: int
) -> Step:
    apply(trainee.optimiser, hyper)
    factor = trainee.scale.factor
    losses: list[Losses] = []
    with record_function("student"):
        for crops, lesson in zip(parts, lessons, strict=True):
            own = objective.losses(trainee.student, crops, lesson, trainee.depth.draw(step, crops))
            (own.total * (factor / len(parts))).backward()
            losses.append(own)
        average_gradients(trainee.student)
    with record_function("norms"):
        found = {name: norm / factor for name, norm in norms(trainee.student).items()}
    with record_function("guard"):
        metrics, taken, rescaled = _judge(trainee.scale, losses, found)
    if taken:
        with record_function("update"):
            clip(trainee.student, found, trainee.clip_grad, factor)
            trainee.optimiser.step()
        with record_function("average"):
            update_average(trainee.average, trainee.student, hyper.momentum)
    trainee.optimiser.zero_grad()
    return Step(losses, metrics, taken, rescaled)


def _judge(scale: LossScale, losses: list[Losses], found: dict[str, Tensor]) -> tuple[dict[str, Tensor], bool, bool]:
    """What a step measured, whether it can be taken, and whether it cannot for want of a smaller scale."""
    terms = [each.terms() for each in losses]
    means = {name: torch.stack([each[name] for each in terms]).mean() for name in terms[0]}
    metrics = means | {f"gradient_{name}": norm for name, norm in found.items()}
    taken = sound(torch.stack(list(metrics.values())))
    # Where a loss itself is not finite, no scale helps.
    overflowed = not taken and sound(torch.stack(list(means.values())))
    return metrics, taken, (taken or overflowed) and scale.update(taken)
