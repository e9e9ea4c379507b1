from math import sqrt

import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.metrics.depth import depth, depth_errors
from dinov2.evaluation.statistics import value_of

NEAR, FAR = 0.001, 10.0


def by_hand(predicted, truth):
    pixels = [
        (min(max(p, NEAR), FAR), t)
        for p, t in zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True)
        if NEAR < t < FAR
    ]
    rmse = sqrt(sum((p - t) ** 2 for p, t in pixels) / len(pixels))
    relative = sum(abs(p - t) / t for p, t in pixels) / len(pixels)
    deltas = [sum(max(p / t, t / p) < 1.25**power for p, t in pixels) / len(pixels) for power in (1, 2, 3)]
    return [rmse, relative, *deltas]


def maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A truth with holes and depths out of range, and predictions off by up to a factor of 2, some out of range."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.2, 11, size=(8, 9)).astype(np.float32)
    predicted = truth * generator.uniform(0.5, 2, size=truth.shape).astype(np.float32)
    truth[0, :3], truth[1, 1], predicted[2, 2], predicted[3, 3] = 0, np.nan, -4, np.inf
    truth[2, 2] = truth[3, 3] = 2.5
    return predicted, truth


def test_equals_the_formulas_pixel_by_pixel_within_the_range():
    predicted, truth = maps(0)
    assert depth_errors(predicted, truth, NEAR, FAR).tolist() == pytest.approx(by_hand(predicted, truth), rel=1e-6)


def test_the_metric_is_the_mean_over_images_and_not_over_pixels():
    errors = [depth_errors(*maps(seed), NEAR, FAR) for seed in range(3)]
    found = depth(errors)
    assert list(found) == ["rmse", "abs_rel", "delta_1", "delta_2", "delta_3"]
    expected = np.mean([by_hand(*maps(seed)) for seed in range(3)], axis=0)
    assert [value_of(each) for each in found.values()] == pytest.approx(expected.tolist(), rel=1e-6)


def test_a_perfect_prediction_is_perfect():
    _, truth = maps(0)
    assert depth_errors(truth.clip(0.1), truth, NEAR, FAR).tolist() == [0, 0, 1, 1, 1]


def test_an_image_of_zeros_has_nothing_to_judge_by():
    assert depth_errors(np.ones((4, 4)), np.zeros((4, 4)), NEAR, FAR) is None
    with pytest.raises(DataError, match="no image has a pixel"):
        depth([])


def test_what_does_not_fit_is_told():
    with pytest.raises(DataError, match="not of one size"):
        depth_errors(np.ones((4, 4)), np.ones((4, 5)), NEAR, FAR)
    with pytest.raises(DataError, match="1 of 16 pixels are not a number"):
        depth_errors(np.where(np.eye(4) * [1, 0, 0, 0], np.nan, 1), np.ones((4, 4)), NEAR, FAR)
