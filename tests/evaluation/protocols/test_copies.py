import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from benchmarks.copy_scores import copy_scores
from dinov2.errors import DataError
from dinov2.evaluation.protocols.copies import CopiesConfig, CopyDetection
from dinov2.evaluation.statistics import interval, value_of

CPU = torch.device("cpu")
TRUTH = np.array([(query, query * 7 % 30) for query in range(0, 40, 2)] + [(0, 29), (4, 3)])


def copies() -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of 40 queries and 30 images; every second query is a copy, more or less edited."""
    generator = np.random.default_rng(0)
    database = generator.normal(size=(30, 8))
    queries = generator.normal(size=(40, 8))
    for query, image in TRUTH:
        queries[query] += database[image] * generator.uniform(0, 1.5)
    return tuple(
        (each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32) for each in (queries, database)
    )


def detect(candidates: int):
    return CopyDetection(CopiesConfig(candidates=candidates), CPU)(*copies(), TRUTH, "edits")


def truth_of_all_pairs() -> np.ndarray:
    truth = np.zeros((40, 30), bool)
    truth[tuple(TRUTH.T)] = True
    return truth


def test_of_all_candidates_it_is_scikit_learns_over_all_pairs_and_the_benchmarks():
    queries, database = copies()
    found = detect(candidates=100)  # more than there are images
    expected = average_precision_score(truth_of_all_pairs().ravel(), (queries @ database.T).ravel())
    assert value_of(found.statistics["micro_ap"]) == pytest.approx(expected, abs=1e-9)
    scores = copy_scores(queries, database, [tuple(pair) for pair in TRUTH.tolist()], ["x"] * 40, 0.9)
    assert scores["micro_ap"] == pytest.approx(expected, abs=1e-9)
    assert value_of(found.statistics["recall_at_1"]) == pytest.approx(scores["recall_at_1"])
    assert found.details == {"copies": 20, "unfound": 0}


def test_true_pairs_beyond_the_candidates_are_never_found():
    queries, database = copies()
    cosines = queries @ database.T
    candidate = cosines >= np.sort(cosines, axis=1)[:, [-3]]
    truth = truth_of_all_pairs()
    unfound = int((truth & ~candidate).sum())
    found = detect(candidates=3)
    assert found.details["unfound"] == unfound > 0
    expected = average_precision_score(truth[candidate], cosines[candidate]) * (1 - unfound / len(TRUTH))
    assert value_of(found.statistics["micro_ap"]) == pytest.approx(expected, abs=1e-9)


def test_queries_without_a_match_count_against_it():
    queries, database = copies()
    alone = np.isin(np.arange(40), TRUTH[:, 0])
    renumbered = np.stack([np.searchsorted(np.flatnonzero(alone), TRUTH[:, 0]), TRUTH[:, 1]], axis=1)
    protocol = CopyDetection(CopiesConfig(), CPU)
    without = protocol(queries[alone], database, renumbered, "edits").statistics["micro_ap"]
    assert value_of(without) > value_of(protocol(queries, database, TRUTH, "edits").statistics["micro_ap"])
    assert (without.count, detect(10).statistics["micro_ap"].count) == (20, 40)


def test_it_has_an_interval_over_queries():
    found = interval(detect(10).statistics["micro_ap"], seed=0)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("truth", "fault"),
    [
        (np.zeros((0, 2), np.int64), "edits: 40 queries, 30 database images and 0 pairs"),
        (np.array([[0, 30]]), r"a pair of 40 queries and 30 images is \[0, 30\]"),
        (np.array([[0, 3], [1, 1], [0, 3]]), "1 true pairs stand twice"),
    ],
)
def test_pairs_that_do_not_fit_are_told(truth, fault):
    with pytest.raises(DataError, match=fault):
        CopyDetection(CopiesConfig(), CPU)(*copies(), truth, "edits")
