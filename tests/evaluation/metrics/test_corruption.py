import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.metrics.corruption import ALEXNET, mean_corruption_error
from dinov2.evaluation.statistics import value_of

WRONG = {
    name: np.random.default_rng(seed).random((5, 40)) < 0.3 + 0.1 * seed for seed, name in enumerate(("fog", "snow"))
}


def by_hand(wrong, weights=None):
    shares = [np.mean([np.average(each, weights=weights) for each in wrong[name]]) / ALEXNET[name] for name in wrong]
    return np.mean(shares)


def test_is_the_mean_over_corruptions_of_errors_relative_to_the_baseline():
    assert value_of(mean_corruption_error(WRONG, ALEXNET)) == pytest.approx(by_hand(WRONG), abs=1e-12)


def test_an_image_is_drawn_with_all_its_corruptions():
    weights = np.random.default_rng(0).integers(0, 4, size=40)
    found = mean_corruption_error(WRONG, ALEXNET)(weights[None].astype(np.float64))[0]
    assert found == pytest.approx(by_hand(WRONG, weights), abs=1e-12)


def test_as_many_errors_as_the_baseline_are_one():
    wrong = {name: np.arange(10_000) < 10_000 * error for name, error in ALEXNET.items()}
    found = mean_corruption_error({name: each[None] for name, each in wrong.items()}, ALEXNET)
    assert value_of(found) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({}, "none; allowed: brightness"),
        ({"rain": np.ones((5, 3))}, r"\['rain'\]; allowed: brightness"),
        ({"fog": np.ones((5, 3)), "snow": np.ones((5, 4))}, "different images: fog 3, snow 4"),
    ],
)
def test_what_cannot_be_averaged_is_told(wrong, fault):
    with pytest.raises(DataError, match=fault):
        mean_corruption_error(wrong, ALEXNET)
