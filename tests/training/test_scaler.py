from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.distributed.device_mesh import DeviceMesh

from dinov2.training import scaler
from dinov2.training.config import TrainingConfig
from dinov2.training.loop import train
from dinov2.training.network import Network
from dinov2.training.optimiser import norms
from dinov2.training.run import Run
from dinov2.training.scaler import FIRST, LEAST, PATIENCE, LossScale
from dinov2.training.sharding import shard
from dinov2.training.step import train_step
from dinov2.training.trainee import Trainee
from dinov2.training.work import Place, Work
from tests.training.small import HYPER, STEP, lasting, make_network, make_objective, make_parts, make_trainee, same


def test_an_overflow_halves_the_scale_down_to_one_where_it_explains_no_more() -> None:
    scale, factors = LossScale(True), []
    while scale.update(False):
        factors.append(scale.factor)
    assert factors == [2.0**power for power in range(15, -1, -1)]
    assert scale.factor == LEAST


def test_the_scale_is_doubled_after_many_sound_steps_in_a_row() -> None:
    scale = LossScale(True)
    for _ in range(PATIENCE - 1):
        assert not scale.update(True)
    assert scale.factor == FIRST
    scale.update(False)
    for _ in range(PATIENCE - 1):
        scale.update(True)
    assert scale.factor == FIRST / 2
    scale.update(True)
    assert scale.factor == FIRST
    for _ in range(PATIENCE):
        scale.update(True)
    assert scale.factor == 2 * FIRST


def test_other_types_than_fp16_have_no_scale() -> None:
    scale = LossScale(False)
    assert not scale.update(False)
    for _ in range(PATIENCE + 1):
        scale.update(True)
    assert scale.factor == 1.0


def test_a_scale_that_goes_on_has_not_forgotten() -> None:
    first, second = LossScale(True), LossScale(True)
    first.update(False)
    first.update(True)
    second.load(first.state())
    assert (second.factor, second.sound_steps) == (FIRST / 2, 1)


@pytest.fixture
def half(alone: DeviceMesh) -> tuple[Trainee, Network]:
    """A trainee in fp16 as it is trained, and its teacher."""
    student, average = (shard(make_network(seed, dtype=torch.float32), alone, "fp16", seed == 1) for seed in (1, 2))
    trainee = make_trainee(student, average, moments=False)
    trainee.scale = LossScale(True)
    return trainee, average


def test_gradients_in_fp16_are_those_of_fp32_whatever_the_scale(half: tuple[Trainee, Network]) -> None:
    trainee, average = half
    whole = make_network(1, dtype=torch.float32).train()
    (crops,) = make_parts(1)
    teacher, draw = make_network(2, dtype=torch.float32).eval(), trainee.depth.draw(STEP, crops)
    make_objective("centring")(whole, teacher, crops, HYPER.teacher_temperature, draw).total.backward()
    expected = {f"gradient_{name}": value for name, value in norms(whole).items()}
    for factor in (2.0**6, 2.0**10):
        trainee.scale.factor = factor
        hyper = replace(HYPER, lr=0.0, last_layer_lr=0.0, momentum=1.0)
        (step,) = train_step([trainee], average, make_objective("centring"), make_parts(1), hyper, STEP)
        assert step.taken
        found = {name: step.metrics[name] for name in expected}
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=0)


def test_an_overflow_in_fp16_halves_the_scale_and_is_not_held_against_the_run(
    half: tuple[Trainee, Network], work: Callable[..., Work], place: Callable[..., Place]
) -> None:
    trainee, average = half
    trainee.scale.factor = 2.0**40
    objective = make_objective("centring")
    run = Run(work("run"), trainee, objective, place(), None)
    before = lasting(trainee), deepcopy(objective.state())
    (step,) = train_step([trainee], average, objective, make_parts(2), HYPER, STEP)
    assert (step.taken, step.rescaled) == (False, True)
    assert torch.isfinite(step.metrics["loss"])
    assert trainee.scale.factor == 2.0**39
    trainee.scale.factor = 2.0**40
    assert run.note(step, HYPER, list) is None
    assert run.done == 1
    assert (trainee.guard.skipped, trainee.guard.in_a_row) == (0, 0)
    assert same(before[0], lasting(trainee))
    assert same(before[1], objective.state())


def test_a_loss_that_is_not_finite_is_no_matter_of_the_scale(
    half: tuple[Trainee, Network], work: Callable[..., Work], place: Callable[..., Place]
) -> None:
    trainee, average = half
    objective = make_objective("centring")
    run = Run(work("run"), trainee, objective, place(), None)
    with torch.no_grad():
        trainee.student.backbone.cls_token.fill_(torch.nan)
    (step,) = train_step([trainee], average, objective, make_parts(2), HYPER, STEP)
    assert (step.taken, step.rescaled) == (False, False)
    assert trainee.scale.factor == scaler.FIRST
    run.note(step, HYPER, list)
    assert (trainee.guard.skipped, trainee.guard.in_a_row) == (1, 1)


def test_steps_that_are_taken_are_counted_towards_a_larger_scale(half: tuple[Trainee, Network]) -> None:
    trainee, average = half
    trainee.scale.factor, trainee.scale.sound_steps = 4.0, scaler.PATIENCE - 1
    (step,) = train_step([trainee], average, make_objective(), make_parts(1), HYPER, STEP)
    assert (step.taken, step.rescaled) == (True, False)
    assert trainee.scale.factor == 8.0


def test_a_run_in_fp16_finds_its_scale_though_no_step_may_be_skipped(
    work: Callable[..., Work], place: Callable[..., Place], config: TrainingConfig
) -> None:
    # Weights with which the crops of a small network differ: where they coincide, no scale suits KoLeo's gradient.
    model = config.model.model_copy(update={"layerscale": 1.0})
    told = {"precision": "fp16", "skip_limit": 0, "epochs": 10.0, "initialisation": "fan_in", "model": model}
    history = train(work("half", config=config.model_copy(update=told)), place())
    assert 0 < len(history.rows) < 10
    assert {row["skipped"] for row in history.rows} == {0}
