import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dinov2.evaluation.metrics.ranking import ahead, average_precision, found_within, revisited_average_precision

NOTHING = np.zeros(0)


def ranking(seed: int, digits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of 60, which of them are positive, and which are ignored; few digits make ties."""
    generator = np.random.default_rng(seed)
    numbers = generator.permutation(60)
    positive, ignored = np.sort(numbers[: 1 + seed]), np.sort(numbers[20:29])
    scores = generator.random(60)
    scores[positive] += 0.2
    return scores.round(digits), positive, ignored


def places(scores, positive, ignored) -> np.ndarray:
    return ahead(np.sort(scores), scores[positive], scores[ignored])


def by_walking_down(scores, positive, ignored) -> float:
    """Trapezia under precision against recall, image after image of the cleaned list; among equals the bad first."""
    names = [name for name in range(len(scores)) if name not in set(ignored.tolist())]
    names.sort(key=lambda name: (-scores[name], name in set(positive.tolist())))
    area, found, before = 0.0, 0, 1.0
    for seen, name in enumerate(names, 1):
        if name in set(positive.tolist()):
            found += 1
            area += (before + found / seen) / 2 / len(positive)
        before = found / seen
    return area


@pytest.mark.parametrize("digits", [8, 1])
@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_scikit_learns_without_what_is_ignored(seed, digits):
    scores, positive, ignored = ranking(seed, digits)
    truth = np.isin(np.arange(60), positive)
    kept = ~np.isin(np.arange(60), ignored)
    expected = average_precision_score(truth[kept], scores[kept])
    assert average_precision(scores[positive], places(scores, positive, ignored)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("digits", [8, 1])
@pytest.mark.parametrize("seed", range(8))
def test_revisited_average_precision_is_the_area_by_trapezia(seed, digits):
    scores, positive, ignored = ranking(seed, digits)
    found = revisited_average_precision(places(scores, positive, ignored))
    assert found == pytest.approx(by_walking_down(scores, positive, ignored), abs=1e-12)


def test_revisited_average_precision_of_small_rankings():
    assert revisited_average_precision(np.array([0, 0])) == 1.0
    assert revisited_average_precision(np.array([1])) == pytest.approx((0 + 1 / 2) / 2)
    # Right, wrong, right: precisions 1 and 1, then 1/2 and 2/3.
    assert revisited_average_precision(np.array([0, 1])) == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2)


def test_ignored_images_change_nothing_wherever_they_stand():
    scores, positive, ignored = ranking(5, 8)
    without = np.delete(scores, ignored)
    moved = scores.copy()
    moved[ignored] = 9.0
    expected = ahead(np.sort(without), scores[positive], NOTHING)
    np.testing.assert_array_equal(places(scores, positive, ignored), expected)
    np.testing.assert_array_equal(places(moved, positive, ignored), expected)


def test_a_model_that_finds_all_alike_gains_nothing_by_the_order_of_the_files():
    scores, positive = np.ones(100), np.arange(5)
    where = places(scores, positive, np.zeros(0, np.int64))
    assert where.tolist() == [95] * 5
    assert average_precision(scores[positive], where) == 5 / 100
    assert revisited_average_precision(where) < 5 / 100
    assert not found_within(where, 95)
    assert found_within(where, 96)


def test_recall_at_k_asks_for_the_best_positive():
    assert [found_within(np.array([7, 2, 30]), k) for k in (1, 2, 3, 10)] == [False, False, True, True]
