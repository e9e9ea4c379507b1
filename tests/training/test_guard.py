from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch

from dinov2.errors import UserError
from dinov2.training.crops import Crops, Parts
from dinov2.training.guard import Guard, sound
from dinov2.training.step import train_step
from dinov2.training.trainee import Trainee
from tests.training.small import HYPER, STEP, lasting, make_network, make_objective, make_parts, make_trainee, same

pytestmark = pytest.mark.usefixtures("alone")

VALUES = {"loss": torch.tensor(torch.nan), "gradient_backbone": torch.tensor(2.5)}


def names() -> list[str]:
    return ["a/one.jpg", "b/two.jpg"]


def unasked() -> list[str]:
    raise AssertionError("images are looked up only for the error")


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_one_value_that_is_not_finite_is_enough(wrong: float) -> None:
    assert sound(torch.tensor([1.0, -3e38, 0.0]))
    assert not sound(torch.tensor([1.0, wrong, 0.0]))


def test_as_many_steps_in_a_row_as_are_allowed_may_be_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    guard = Guard("run", most=2)
    guard.skip(5, VALUES, unasked)
    guard.skip(6, VALUES, unasked)
    assert capsys.readouterr().err.splitlines() == [
        "run: step 5 skipped, 1 in a row of at most 2: loss nan, gradient_backbone 2.5",
        "run: step 6 skipped, 2 in a row of at most 2: loss nan, gradient_backbone 2.5",
    ]
    message = r"^run: step 7: .* not finite, and 3 steps in a row .*: loss nan, .*: a/one\.jpg, b/two\.jpg$"
    with pytest.raises(UserError, match=message):
        guard.skip(7, VALUES, names)


def test_where_none_is_allowed_the_first_is_an_error() -> None:
    with pytest.raises(UserError, match="1 steps in a row"):
        Guard("run", most=0).skip(1, VALUES, names)


def test_a_step_that_is_taken_starts_the_count_anew_but_not_the_sum() -> None:
    guard = Guard("run", most=1)
    for step in range(1, 6):
        guard.skip(step, VALUES, unasked)
        guard.passed()
    assert (guard.skipped, guard.in_a_row) == (5, 0)


def test_a_guard_that_goes_on_has_not_forgotten() -> None:
    first, second = Guard("run", most=1), Guard("run", most=1)
    first.skip(1, VALUES, unasked)
    second.load(first.state())
    assert (second.skipped, second.in_a_row) == (1, 1)
    with pytest.raises(UserError):
        second.skip(2, VALUES, names)


def poison_a_pixel(_: Trainee, parts: Parts) -> list[Crops]:
    crops = list(parts)
    crops[-1].globals[0, 0, 0, 0] = torch.nan
    return crops


def poison_a_weight(trainee: Trainee, parts: Parts) -> Parts:
    trainee.student.ibot_head.last_layer.weight_g.data[3] = torch.inf
    return parts


def poison_a_gradient(trainee: Trainee, parts: Parts) -> Parts:
    trainee.student.backbone.norm.bias.register_hook(lambda gradient: gradient * torch.inf)
    return parts


@pytest.mark.parametrize("poison", [poison_a_pixel, poison_a_weight, poison_a_gradient])
def test_a_step_that_is_not_finite_changes_nothing(poison: Callable[[Trainee, Parts], Any]) -> None:
    student, average = (make_network(seed, dtype=torch.float32) for seed in (1, 2))
    trainee, objective = make_trainee(student, average), make_objective("centring")
    parts = poison(trainee, make_parts(2))
    before = lasting(trainee), deepcopy(objective.state())
    (step,) = train_step([trainee], average, objective, parts, HYPER, STEP)
    assert not step.taken
    assert not step.rescaled
    assert same(before[0], lasting(trainee))
    assert same(before[1], objective.state())
    assert all(parameter.grad is None for parameter in student.parameters())


def test_the_step_after_one_that_was_not_taken_is_as_if_that_had_not_been() -> None:
    states = []
    for poisoned in (True, False):
        student, average = (make_network(seed, dtype=torch.float32) for seed in (1, 2))
        trainee, objective = make_trainee(student, average), make_objective("centring")
        if poisoned:
            train_step([trainee], average, objective, poison_a_pixel(trainee, make_parts(2)), HYPER, STEP - 1)
        train_step([trainee], average, objective, make_parts(2), HYPER, STEP)
        states.append((lasting(trainee), objective.state()))
    assert same(states[0][0], states[1][0])
    assert same(states[0][1], states[1][1])


def test_one_students_overflow_does_not_hold_back_another() -> None:
    teacher = make_network(5, dtype=torch.float32).requires_grad_(False).eval()
    ill, well = (make_trainee(*(make_network(seed, dtype=torch.float32) for _ in range(2))) for seed in (1, 2))
    parts = poison_a_gradient(ill, make_parts(1))
    before, objective = lasting(ill), make_objective("centring")
    centre = objective.state()["cls"]["centre"]
    steps = train_step([ill, well], teacher, objective, parts, HYPER, STEP)
    assert [step.taken for step in steps] == [False, True]
    assert same(before, lasting(ill))
    assert not torch.equal(objective.state()["cls"]["centre"], centre)
