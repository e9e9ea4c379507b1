import random
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import bootstrap

from dinov2.errors import DataError
from dinov2.evaluation.statistics import Mean, interval
from dinov2.evaluation.statistics import bootstrap as module
from dinov2.evaluation.statistics.bootstrap import resamples


def test_weights_are_counts_of_draws_with_return():
    (weights,) = resamples(50, 400, seed=1)
    assert weights.shape == (400, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean() == 1.0
    assert weights.var() == pytest.approx(1 - 1 / 50, rel=0.05)  # binomial: 50 draws of 1/50


def test_draws_depend_on_seed_and_count_alone_not_on_the_memory(monkeypatch):
    (whole,) = resamples(30, 20, seed=3)
    monkeypatch.setattr(module, "WEIGHTS_AT_ONCE", 100)
    parts = list(resamples(30, 20, seed=3))
    assert [len(part) for part in parts] == [3] * 6 + [2]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(next(resamples(30, 3, seed=4)), whole[:3])


def test_a_million_images_are_drawn_a_few_times_at_once():
    assert len(next(resamples(10**6, 1000, seed=0))) == 4


def test_ends_are_those_of_resampling_by_hand():
    values = np.random.default_rng(0).gamma(2.0, size=40)
    generator = random.Random(1)
    means = sorted(sum(generator.choices(values.tolist(), k=40)) / 40 for _ in range(20_000))
    found = interval(Mean(values), seed=2, draws=20_000)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((means[500], means[19_500]), abs=0.015)


def test_ends_are_scipys():
    values = np.random.default_rng(0).normal(size=200)
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=9999, rng=0).confidence_interval
    found = interval(Mean(values), seed=0, draws=9999)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)


@pytest.mark.parametrize(("share", "count"), [(0.5, 100), (0.8, 300), (0.95, 400)])
def test_the_interval_holds_the_truth_as_often_as_it_says(share, count):
    generator = np.random.default_rng(7)
    held = 0
    for seed in range(400):
        found = interval(Mean(generator.random(count) < share), seed, draws=300)
        held += found.low <= share <= found.high
    # 400 trials of 95% are off by 2.1% in 95 cases of 100; percentile intervals are a little narrow.
    assert 0.92 <= held / 400 <= 0.98


def test_a_level_is_what_is_asked_for():
    values = np.random.default_rng(0).normal(size=400)
    widths = [
        np.ptp([found.low, found.high]) for found in (interval(Mean(values), 0, level=level) for level in (0.5, 0.95))
    ]
    expected = NormalDist().inv_cdf(0.975) / NormalDist().inv_cdf(0.75)
    assert widths[1] / widths[0] == pytest.approx(expected, rel=0.1)


def test_other_seeds_move_the_ends_little():
    values = np.random.default_rng(0).random(500) < 0.7
    found = [interval(Mean(values), seed) for seed in range(5)]
    width = found[0].high - found[0].low
    for end in ("low", "high"):
        assert np.ptp([getattr(each, end) for each in found]) < 0.15 * width
    assert interval(Mean(values), 0) == found[0]


class Undefined:
    """Defined by the images themselves and by no draw of them."""

    count = 5

    def __call__(self, weights_bn: np.ndarray) -> np.ndarray:
        return np.where((weights_bn == 1).all(axis=1), 1.0, np.nan)


def test_a_metric_that_no_draw_defines_has_no_interval():
    with pytest.raises(DataError, match="none of 20 draws"):
        interval(Undefined(), seed=0, draws=20)


def test_a_metric_that_the_images_do_not_define_is_told():
    class Never(Undefined):
        def __call__(self, weights_bn: np.ndarray) -> np.ndarray:
            return np.full(len(weights_bn), np.nan)

    with pytest.raises(DataError, match="5 images do not define the metric Never"):
        interval(Never(), seed=0)
