import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dinov2.evaluation.metrics.micro_ap import micro_ap
from dinov2.evaluation.metrics.ranking import average_precision
from dinov2.evaluation.statistics import value_of


def pairs(seed: int, digits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Candidates of 12 queries, of which 4 have no true pair and 3 one that is no candidate."""
    generator = np.random.default_rng(seed)
    query = np.repeat(np.arange(12), 6)
    true = (np.arange(72) % 6 == 0) & (query % 3 > 0)
    score = (generator.random(72) + 0.3 * true).round(digits)
    wanted = np.bincount(query[true], minlength=12) + np.isin(np.arange(12), (1, 2, 4))
    order = generator.permutation(72)
    return query[order], score[order], true[order], wanted


def by_scikit_learn(score, true, unfound) -> float:
    """A pair that was not found is found last, at no precision."""
    return average_precision_score(true, score) * true.sum() / (true.sum() + unfound)


@pytest.mark.parametrize("digits", [8, 1])
@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_learns_on_all_pairs_with_unfound_ones_counted(seed, digits):
    query, score, true, wanted = pairs(seed, digits)
    found = value_of(micro_ap(query, score, true, wanted))
    assert found == pytest.approx(by_scikit_learn(score, true, unfound=3), abs=1e-12)
    # The same from places among all others, as a single ranking.
    others = np.array([(score[~true] >= each).sum() for each in score[true]])
    assert found == pytest.approx(average_precision(score[true], others) * true.sum() / wanted.sum(), abs=1e-12)


@pytest.mark.parametrize("digits", [8, 1])
def test_a_query_of_weight_two_is_there_twice_and_of_weight_none_is_not(digits):
    query, score, true, wanted = pairs(9, digits)
    weights = np.random.default_rng(0).integers(0, 3, size=(6, 12)).astype(np.float64)
    found = micro_ap(query, score, true, wanted)(weights)
    for weight, value in zip(weights, found, strict=True):
        times = weight[query].astype(int)
        unfound = (weight * np.isin(np.arange(12), (1, 2, 4))).sum()
        expected = by_scikit_learn(np.repeat(score, times), np.repeat(true, times), unfound)
        assert value == pytest.approx(expected, abs=1e-12)


def test_queries_of_which_none_is_a_copy_do_not_define_it():
    statistic = micro_ap(*pairs(0, 8))
    weights = (np.arange(12) % 3 == 0).astype(np.float64)[None]
    assert np.isnan(statistic(weights))[0]


def test_nothing_found_is_zero():
    query, score, true, wanted = pairs(0, 8)
    assert value_of(micro_ap(query[~true], score[~true], true[~true], wanted)) == 0.0


def test_candidates_below_the_worst_true_pair_are_let_go():
    query, score, true, wanted = pairs(0, 8)
    assert len(micro_ap(query, score, true, wanted).query_m) == (score >= score[true].min()).sum() < len(score)
