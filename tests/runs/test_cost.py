"""GPU-hours and their price, in words that do not say nothing where nothing is known."""

import pytest

from dinov2.launch.taken import Taken
from dinov2.runs.cost import Cost, cost_of


def taken(gpu_seconds: float | None) -> Taken:
    return Taken(stage="pretrain", seconds=1.0, gpu_seconds=gpu_seconds)


@pytest.mark.parametrize(
    ("gpu_seconds", "hours", "price"),
    [
        ([], "0.00", "0.00"),
        ([0.0], "0.00", "0.00"),
        ([3600.0, 1800.0], "1.50", "3.75"),
        ([3600.0 * 5000], "5,000.00", "12,500.00"),
        ([3.6], "0.001", "0.003"),
        ([None], "not known", "not known"),
        ([0.0, None], "not known", "not known"),
        ([3600.0, None], "at least 1.00", "at least 2.50"),
    ],
)
def test_hours_and_price_in_words(gpu_seconds: list[float | None], hours: str, price: str) -> None:
    cost = cost_of(map(taken, gpu_seconds))
    assert cost.hours_in_words() == hours
    assert cost.price_in_words(2.5) == price


def test_the_cost_of_a_run_is_that_of_its_stages() -> None:
    stages = [Cost(1.0), Cost(0.5), Cost(0.0)]
    assert sum(stages, Cost()) == Cost(1.5)
    assert sum([*stages, Cost(2.0, whole=False)], Cost()) == Cost(3.5, whole=False)
