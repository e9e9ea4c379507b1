import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from dinov2.errors import DataError
from dinov2.evaluation.protocols import retrieval as module
from dinov2.evaluation.protocols.retrieval import InstanceRetrieval, RetrievalConfig
from dinov2.evaluation.sets.task import Level
from dinov2.evaluation.statistics import value_of

CPU = torch.device("cpu")
NONE = np.zeros(0, np.int64)
QUERIES, SIZE, WIDTH = 9, 70, 6


def landmarks() -> tuple[np.ndarray, np.ndarray, dict[str, Level]]:
    """Easy, hard and junk images of each query, in the three levels of Oxford and Paris; the first has no easy ones."""
    generator = np.random.default_rng(0)
    queries, database = (generator.normal(size=(count, WIDTH)).astype(np.float32) for count in (QUERIES, SIZE))
    levels: dict[str, tuple[list, list]] = {"easy": ([], []), "medium": ([], []), "hard": ([], [])}
    for query in range(QUERIES):
        names = generator.permutation(SIZE)
        easy, hard, junk = names[: 4 if query else 0], names[4:9], names[9:15]
        database[easy] += 1.2 * queries[query]
        database[hard] += 0.4 * queries[query]
        for level, good, bad in (
            ("easy", [easy], [junk, hard]), ("medium", [easy, hard], [junk]), ("hard", [hard], [junk, easy]),
        ):  # fmt: skip
            levels[level][0].append(np.concatenate(good))
            levels[level][1].append(np.concatenate(bad))
    return queries, database, {name: Level(tuple(good), tuple(bad)) for name, (good, bad) in levels.items()}


def ranks_of(queries, database, positive, ignored, query) -> list[int]:
    """Places of the positives in the sorted list without what is ignored."""
    units = [each.astype(np.float64) / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries, database)]
    order = np.argsort(-(units[1] @ units[0][query]))
    kept = [name for name in order.tolist() if name not in ignored]
    return [place for place, name in enumerate(kept) if name in positive]


def trapezia(ranks: list[int]) -> float:
    pairs = [(found / rank if rank else 1.0, (found + 1) / (rank + 1)) for found, rank in enumerate(ranks)]
    return sum((before + at) / 2 for before, at in pairs) / len(ranks)


def test_every_level_equals_sorting_the_whole_database():
    queries, database, levels = landmarks()
    found = InstanceRetrieval(RetrievalConfig(), CPU)(queries, database, levels, "rplaces")
    for name, level in levels.items():
        asked = [query for query in range(QUERIES) if len(level.positives[query])]
        ranks = [ranks_of(queries, database, level.positives[q], level.ignored[q], q) for q in asked]
        expected = {
            f"map_{name}": np.mean(
                [average_precision_score(np.isin(np.arange(SIZE), each), -np.arange(SIZE)) for each in ranks]
            ),
            f"map_revisited_{name}": np.mean([trapezia(each) for each in ranks]),
            **{f"recall_at_{k}_{name}": np.mean([each[0] < k for each in ranks]) for k in (1, 5, 10)},
        }
        for metric, value in expected.items():
            assert value_of(found.statistics[metric]) == pytest.approx(value, abs=1e-12), metric
            assert found.statistics[metric].count == len(asked)
    assert found.details == {"left_out_easy": 1, "left_out_medium": 0, "left_out_hard": 0}
    assert value_of(found.statistics["map_easy"]) > value_of(found.statistics["map_hard"])


def test_blocks_of_queries_change_nothing(monkeypatch):
    queries, database, levels = landmarks()
    protocol = InstanceRetrieval(RetrievalConfig(), CPU)
    whole = protocol(queries, database, levels, "rplaces")
    monkeypatch.setattr(module, "COSINES_AT_ONCE", 2 * SIZE)
    parts = protocol(queries, database, levels, "rplaces")
    for metric, statistic in whole.statistics.items():
        np.testing.assert_array_equal(parts.statistics[metric].values_n, statistic.values_n)


def test_features_that_are_all_alike_are_worth_nothing_though_positives_come_first():
    level = Level((np.arange(3),) * 4, (NONE,) * 4)
    found = InstanceRetrieval(RetrievalConfig(), CPU)(np.ones((4, 2)), np.ones((50, 2)), {"all": level}, "same")
    assert value_of(found.statistics["map_all"]) == 3 / 50
    assert value_of(found.statistics["recall_at_10_all"]) == 0.0


@pytest.mark.parametrize(
    ("positives", "ignored", "fault"),
    [
        ((NONE, NONE), (NONE, NONE), "places: level all: none of the 2 queries has a positive"),
        ((np.array([1]), NONE), (np.array([1, 2]), NONE), "query 0 names a database image twice"),
        ((NONE, np.array([5])), (NONE, NONE), "query 1 names image 5 of a database of 5"),
        ((np.array([0]),), (NONE,), "truth of 1 queries, features of 2"),
    ],
)
def test_a_truth_that_does_not_fit_is_told(positives, ignored, fault):
    with pytest.raises(DataError, match=fault):
        InstanceRetrieval(RetrievalConfig(), CPU)(
            np.eye(2), np.ones((5, 2)), {"all": Level(positives, ignored)}, "places"
        )


def test_no_query_and_broken_features_are_told():
    level = {"all": Level((np.array([0]),), (NONE,))}
    protocol = InstanceRetrieval(RetrievalConfig(), CPU)
    with pytest.raises(DataError, match="places: 0 queries and 5 database images"):
        protocol(np.zeros((0, 2)), np.ones((5, 2)), level, "places")
    with pytest.raises(DataError, match="places: some features are not finite"):
        protocol(np.full((1, 2), np.nan), np.ones((5, 2)), level, "places")
