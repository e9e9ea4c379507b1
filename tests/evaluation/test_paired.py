"""Differences of paired proportions, against published examples, exact coverage and the binomial distribution."""

import itertools
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest, multinomial

from dinov2.evaluation.paired import Difference, difference, mean, mid_p, newcombe


def test_newcombe_gives_the_published_interval() -> None:
    # Cavo et al. (2012), in Fagerland, Lydersen & Laake (2017), Statistical Analysis of Contingency Tables, chapter 8.
    np.testing.assert_allclose(newcombe(59, 6, 16, 80), (-0.1186, -0.0046), atol=5e-5)


@pytest.mark.parametrize(
    "probabilities", [(0.6, 0.1, 0.1, 0.2), (0.7, 0.15, 0.05, 0.1), (0.3, 0.3, 0.1, 0.3), (0.7, 0.1, 0.15, 0.05)]
)
def test_the_interval_holds_the_true_difference_as_often_as_it_says(probabilities: tuple[float, ...]) -> None:
    trials, truth = 24, probabilities[1] - probabilities[2]
    tables = [(*cut, trials - sum(cut)) for cut in itertools.product(range(trials + 1), repeat=3) if sum(cut) <= trials]
    chances = multinomial.pmf(np.array(tables), trials, probabilities)
    intervals = np.array([newcombe(*table) for table in tables])
    held = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    assert chances.sum() == pytest.approx(1)
    assert 0.93 <= chances[held].sum() <= 0.99


@pytest.mark.parametrize(
    ("table", "value"), [((5, 0, 0, 0), 0), ((0, 0, 0, 5), 0), ((0, 4, 0, 0), 1), ((0, 0, 4, 0), -1)]
)
def test_the_interval_stays_sensible_where_models_agree_or_differ_everywhere(
    table: tuple[int, int, int, int], value: float
) -> None:
    low, high = newcombe(*table)
    assert -1 <= low <= value <= high <= 1
    assert high - low > 0.1


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 5), (9, 2), (2, 9), (40, 61), (700, 610)])
def test_mid_p_is_the_exact_p_less_half_of_what_was_seen_on_either_side(first: int, second: int) -> None:
    count = first + second
    exact = binomtest(first, count, 0.5).pvalue if count else 1.0
    seen = comb(count, first) / 2**count if count else 0.0
    expected = 1.0 if first == second else exact - seen
    assert mid_p(first, second) == pytest.approx(expected, rel=1e-9)


def test_a_difference_is_of_the_same_images() -> None:
    first, second = np.array([1, 1, 1, 0, 1, 0], bool), np.array([1, 0, 0, 0, 1, 1], bool)
    found = difference(first, second)
    assert found.value == pytest.approx(1 / 6)
    assert (found.low, found.high) == newcombe(2, 2, 1, 1)
    assert found.p == mid_p(2, 1)
    back = difference(second, first)
    np.testing.assert_allclose((back.value, back.low, back.high), (-found.value, -found.high, -found.low), atol=1e-12)


def test_a_model_does_not_differ_from_itself() -> None:
    right = np.arange(50) % 3 > 0
    found = difference(right, right)
    assert (found.value, found.p) == (0, 1)
    assert found.low < 0 < found.high


def test_the_interval_of_a_mean_over_sets_is_that_of_the_bootstrap() -> None:
    generator = np.random.default_rng(0)
    pairs = [generator.random((2, 400)) < np.array(rates)[:, None] for rates in ((0.7, 0.6), (0.5, 0.55))]
    value, low, high = mean([difference(*pair) for pair in pairs])
    drawn = [
        np.mean([(pair[0][rows].mean() - pair[1][rows].mean()) for pair in pairs])
        for rows in generator.integers(0, 400, (2000, 400))
    ]
    assert value == pytest.approx(np.mean([pair[0].mean() - pair[1].mean() for pair in pairs]))
    # The same draw of rows for both sets keeps them independent: their images have nothing to do with each other.
    np.testing.assert_allclose((low, high), np.quantile(drawn, (0.025, 0.975)), atol=0.006)


def test_one_set_is_its_own_mean() -> None:
    assert mean([Difference(0.1, -0.2, 0.3, 0.5)]) == pytest.approx((0.1, -0.2, 0.3))
