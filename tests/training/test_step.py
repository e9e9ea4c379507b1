from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from dinov2.training.execution import Execution, equip
from dinov2.training.sharding import shard
from dinov2.training.step import train_step
from dinov2.training.trainee import Trainee
from tests.training import reference
from tests.training.small import (
    GROUP,
    HYPER,
    STEP,
    by_crop,
    gains,
    leaves,
    make_crops,
    make_depth,
    make_network,
    make_objective,
    make_parts,
    make_trainee,
    same,
    shape_of,
)

pytestmark = pytest.mark.usefixtures("alone")


def published_factors(name: str, depth: int) -> tuple[float, float]:
    """The factors on rate and decay of a parameter, by its name."""
    layer = depth + 1
    if name.startswith("backbone.blocks."):
        layer = int(name.split(".")[2]) + 1
    elif name.startswith("backbone.") and not name.startswith("backbone.norm."):
        layer = 0
    rate = 0.8 ** (depth + 1 - layer) * (0.2 if "patch_embed" in name else 1.0)
    plain = name.split(".")[-1] in ("bias", "gamma") or name.split(".")[-2].startswith("norm")
    return rate, 0.0 if plain else 1.0


def test_a_step_is_that_of_the_papers_then_clipping_adamw_and_the_moving_average() -> None:
    student, average = make_network(1, registers=1).train(), make_network(2, registers=1)
    crops, depth = make_crops(3), make_depth(student)
    limit = 12.0
    trainee = make_trainee(student, average, limit)
    before, averaged = leaves(student), leaves(average)
    moments = {name: deepcopy(trainee.optimiser.state[p]) for name, p in student.named_parameters()}
    terms = reference.step(
        before, averaged, shape_of(student), shape_of(average), by_crop(crops.globals), by_crop(crops.locals),
        by_crop(crops.hidden), by_crop(crops.predicted), HYPER.teacher_temperature, GROUP, gains(depth, STEP, crops),
    )  # fmt: skip
    terms.total.backward()
    gradients = {name: leaf.grad for name, leaf in before.items()}
    norm = {part: reference.gradient_norm(gradients, part) for part in ("backbone", "dino_head", "ibot_head")}
    assert min(norm.values()) < limit < max(norm.values())

    (step,) = train_step([trainee], average, make_objective(), [crops], HYPER, STEP)  # type: ignore[arg-type]

    assert step.taken
    assert {f"gradient_{part}": value for part, value in norm.items()} == pytest.approx(
        {name: value.item() for name, value in step.metrics.items() if name.startswith("gradient_")}, rel=1e-5
    )
    assert step.metrics["loss"].item() == pytest.approx(terms.total.item(), rel=1e-5)
    now, average_now = dict(student.named_parameters()), dict(average.named_parameters())
    for name, weight in before.items():
        rate, decayed = published_factors(name, depth=2)
        lr = (HYPER.last_layer_lr if "last_layer" in name else HYPER.lr) * rate
        gradient = gradients[name] * min(1.0, limit / norm[name.split(".")[0]])
        first = 0.9 * moments[name]["exp_avg"] + 0.1 * gradient
        second = 0.99 * moments[name]["exp_avg_sq"] + 0.01 * gradient**2
        change = (first / (1 - 0.9**13)) / ((second / (1 - 0.99**13)).sqrt() + 1e-8)
        expected = weight.detach() * (1 - lr * HYPER.weight_decay * decayed) - lr * change
        moved = (expected - weight).abs().max()
        assert (now[name] - expected).abs().max() <= 1e-5 * moved, name
        mean = 0.97 * averaged[name].detach() + 0.03 * expected
        assert (average_now[name] - mean).abs().max() <= 1e-6 * (mean - averaged[name]).abs().max(), name


@pytest.mark.parametrize("targets", ["sinkhorn", "centring"])
def test_a_step_in_parts_is_the_same_step(targets: str) -> None:
    found: dict[int, tuple[dict[str, Tensor], dict[str, Tensor], Any]] = {}
    for count in (1, 2, 4):
        student, average = (make_network(seed, dtype=torch.float32) for seed in (1, 2))
        trainee, objective = make_trainee(student, average), make_objective(targets)
        for number in range(2):
            (step,) = train_step([trainee], average, objective, make_parts(count), HYPER, STEP + number)
            assert step.taken
        found[count] = (student.state_dict() | {f"average.{k}": v for k, v in average.state_dict().items()},
                        step.metrics, objective.state())  # fmt: skip
    untouched = make_network(1, dtype=torch.float32).state_dict()
    for count in (2, 4):
        for name, weight in found[1][0].items():
            torch.testing.assert_close(found[count][0][name], weight, rtol=1e-5, atol=1e-5, msg=name)
        torch.testing.assert_close(found[count][1:], found[1][1:], rtol=1e-4, atol=1e-5)
    assert all((found[1][0][name] - weight).abs().max() > 1e-4 for name, weight in untouched.items())


def test_students_of_one_teacher_learn_in_one_step_what_they_learn_alone() -> None:
    def make(seed: int) -> Trainee:
        student, average = (make_network(seed, dim=8 * seed, dtype=torch.float32) for _ in range(2))
        return make_trainee(student, average)

    teacher = make_network(5, dtype=torch.float32).requires_grad_(False).eval()
    parts = replace(make_parts(2), distilling=True)
    together = [make(1), make(2)]
    train_step(together, teacher, make_objective(), parts, HYPER, STEP)
    for seed, trainee in zip((1, 2), together, strict=True):
        alone = make(seed)
        train_step([alone], teacher, make_objective(), parts, HYPER, STEP)
        assert same(alone.state(), trainee.state())


def test_computing_blocks_again_in_the_backward_pass_changes_nothing() -> None:
    states = []
    for recompute in (False, True):
        student, average = (make_network(seed, dtype=torch.float32) for seed in (1, 2))
        trainee = make_trainee(equip(student, Execution(recompute=recompute)), average)
        (step,) = train_step([trainee], average, make_objective(), make_parts(2), HYPER, STEP)
        states.append((trainee.state(), step.metrics))
    torch.testing.assert_close(states[0], states[1], rtol=1e-6, atol=1e-7)


def test_a_sharded_step_is_that_of_whole_networks(alone: DeviceMesh) -> None:
    found = []
    for sharded in (False, True):
        student, average = (make_network(seed, dtype=torch.float32) for seed in (1, 2))
        if sharded:
            student, average = shard(student, alone, "fp32", True), shard(average, alone, "fp32", False)
        trainee = make_trainee(student, average, moments=not sharded)
        (step,) = train_step([trainee], average, make_objective(), make_parts(2), HYPER, STEP)
        assert step.taken
        found.append(step.metrics)
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)
