import random

import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.statistics import Mean, difference


def paired(count: int, ours: float, theirs: float, seed: int) -> tuple[Mean, Mean]:
    """Two models that mostly fail on the same images: each image is as hard for one as for the other."""
    generator = np.random.default_rng(seed)
    hardness = generator.random(count)
    noise = 0.2 * generator.normal(size=(2, count))
    return Mean(hardness + noise[0] < ours), Mean(hardness + noise[1] < theirs)


def test_equals_drawing_the_same_images_for_both_by_hand():
    ours, theirs = paired(60, 0.7, 0.6, seed=0)
    generator, both = random.Random(1), list(zip(ours.values_n.tolist(), theirs.values_n.tolist(), strict=True))
    drawn = (generator.choices(both, k=60) for _ in range(20_000))
    gains = sorted(sum(a - b for a, b in draw) / 60 for draw in drawn)
    found = difference(ours, theirs, seed=2, draws=20_000)
    assert found.value == pytest.approx(ours.values_n.mean() - theirs.values_n.mean())
    assert (found.low, found.high) == pytest.approx((gains[500], gains[19_500]), abs=0.018)  # steps of 1/60


def test_pairing_sees_what_separate_intervals_do_not():
    ours, theirs = paired(2000, 0.62, 0.58, seed=3)
    together = difference(ours, theirs, seed=0)
    mixed = Mean(np.random.default_rng(0).permutation(theirs.values_n))
    apart = difference(ours, mixed, seed=0)
    assert together.verdict == "better"
    assert together.high - together.low < 0.8 * (apart.high - apart.low)


def test_verdicts_follow_the_interval_and_which_way_is_good():
    good, bad = Mean(np.arange(100) < 90), Mean(np.arange(100) < 60)
    assert difference(good, bad, 0).verdict == "better"
    assert difference(bad, good, 0).verdict == "worse"
    assert difference(good, bad, 0, higher_is_better=False).verdict == "worse"
    assert difference(bad, good, 0, higher_is_better=False).verdict == "better"
    same = difference(good, good, 0)
    assert (same.value, same.low, same.high, same.verdict) == (0.0, 0.0, 0.0, "cannot tell")


def test_equal_models_are_seldom_told_apart():
    verdicts = [difference(*paired(300, 0.6, 0.6, seed), seed, draws=300).verdict for seed in range(400)]
    told = sum(verdict != "cannot tell" for verdict in verdicts) / 400
    assert told <= 0.08  # 5% but for chance and for percentile intervals being a little narrow


def test_models_that_differ_on_few_images_are_seldom_told_apart():
    generator, told = np.random.default_rng(0), 0
    for seed in range(400):
        sign = generator.choice([-1, 0, 1], p=[0.025, 0.95, 0.025], size=200)
        told += difference(Mean(sign > 0), Mean(sign < 0), seed, draws=300).verdict != "cannot tell"
    assert told / 400 <= 0.08


@pytest.mark.parametrize("count", [1, 3, 19])
def test_of_a_few_images_nobody_can_tell(count):
    found = difference(Mean(np.ones(count)), Mean(np.zeros(count)), seed=0)
    assert (found.low, found.high, found.verdict) == (1.0, 1.0, "cannot tell")


def test_other_images_cannot_be_paired():
    with pytest.raises(DataError, match="of 3 and of 4 images cannot be paired"):
        difference(Mean(np.ones(3)), Mean(np.ones(4)), seed=0)
