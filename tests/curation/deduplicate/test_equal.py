"""Copies among images of which many have equal vectors, against every cosine in float64 and scipy's components."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from dinov2.curation.config import DeduplicateConfig
from dinov2.curation.cosines import cosines
from dinov2.curation.deduplicate import equal
from dinov2.curation.deduplicate.equal import equal_rows
from dinov2.curation.deduplicate.graph import components, copies, leaks
from dinov2.curation.descriptors import unit
from dinov2.curation.search import SearchConfig
from dinov2.curation.workplace import Described, Workplace

ABOVE, DIM = 0.8, 16
CONFIG = DeduplicateConfig(k=4)

Make = Callable[..., Described]


@pytest.fixture
def make(described: Make) -> Callable[[np.ndarray], Described]:
    """`make(vectors)`: images with these vectors, in this order."""
    return lambda vectors: described([f"{n:05}" for n in range(len(vectors))], vectors)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal rows lie in many blocks."""
    monkeypatch.setattr(equal, "ROWS", 64)


def groups(seed: int, zeros: int = 0) -> np.ndarray:
    """(N, DIM) float16 in any order: clusters of up to 3 different vectors, each 1 to 60 times; rows of zeros.

    Some components are 0, and -0 in half of the rows.
    """
    random = np.random.default_rng(seed)
    centres = unit(random.standard_normal((12, DIM)) * (random.random((12, DIM)) < 0.7))
    centres = np.repeat(centres, random.integers(1, 4, 12), axis=0)
    different = np.where(centres, centres + 0.03 * random.standard_normal(centres.shape), 0)
    rows = np.concatenate(
        [np.repeat(different, random.integers(1, 61, len(different)), axis=0), np.zeros((zeros, DIM))]
    )
    rows = random.permutation(rows).astype(np.float16)
    return np.where((rows == 0) & (random.random((len(rows), 1)) < 0.5), np.float16(-0.0), rows)


def truth(vectors: np.ndarray) -> np.ndarray:
    """(N,) the smallest row of the component of each, by every pair of rows."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    exact /= np.where(lengths > 0, lengths, 1)[:, None]
    _, label = connected_components(exact @ exact.T > ABOVE, directed=False)
    return np.unique(label, return_index=True)[1][label]


def found(training: Described, place: Workplace, config: DeduplicateConfig = CONFIG) -> np.ndarray:
    """(N,) the smallest row of the component of each."""
    pairs = copies(training, config, ABOVE, place).pairs()
    batches = components(training.vectors.count, pairs, place.scratch)
    return np.concatenate([batch["component"] for batch in batches])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("zeros", [0, 1, 50])
def test_components_of_many_equal_vectors_are_those_of_all_pairs(
    place: Workplace, make: Callable[[np.ndarray], Described], seed: int, zeros: int
) -> None:
    vectors = groups(seed, zeros)
    expected = truth(vectors)
    assert np.unique(vectors, axis=0, return_counts=True)[1].max() > CONFIG.k + 1
    assert np.signbit(vectors[vectors == 0]).any()
    np.testing.assert_array_equal(found(make(vectors), place), expected)


@pytest.mark.parametrize("index", ["ivf_flat", "flat"])
def test_components_are_the_same_by_any_index_in_parts(
    place: Workplace, make: Callable[[np.ndarray], Described], index: str
) -> None:
    vectors = groups(5)
    lists = {"lists": 2, "probes": 2} if index == "ivf_flat" else {}
    config = DeduplicateConfig(k=4, search=SearchConfig.model_validate({"index": index, "parts": 2} | lists))
    np.testing.assert_array_equal(found(make(vectors), place, config), truth(vectors))


def test_equal_rows_are_named_by_their_first(place: Workplace, make: Callable[[np.ndarray], Described]) -> None:
    vectors = groups(6, zeros=20)
    plain, rows = vectors + 0.0, []
    first: dict[bytes, int] = {}
    for row, vector in enumerate(plain):
        earlier = first.setdefault(vector.tobytes(), row)
        if earlier < row and vector.any():
            rows.append((row, earlier))
    repeated = equal_rows(make(vectors), place)
    assert list(zip(repeated.row.tolist(), repeated.first.tolist(), strict=True)) == rows
    assert repeated.row.dtype == repeated.first.dtype == np.int64


def test_distinct_vectors_are_searched_for_each_other(
    place: Workplace, make: Callable[[np.ndarray], Described]
) -> None:
    whole = copies(make(groups(7)), CONFIG, ABOVE, place)
    assert whole.lookup.queries is whole.lookup.base
    assert whole.lookup.base.count == len(np.unique(groups(7), axis=0))


def test_many_equal_evaluation_images_are_shown_by_their_first(
    place: Workplace, make: Callable[[np.ndarray], Described], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def counted(*sides: np.ndarray) -> np.ndarray:
        asked.append(len(sides[0]))
        return cosines(*sides)

    monkeypatch.setattr("dinov2.curation.search.exact.cosines", counted)
    axes = np.eye(DIM, dtype=np.float16)
    held_out = make(np.concatenate([axes[:1], np.repeat(axes[1:2], 1000, axis=0), axes[2:3]]))
    (pairs,) = leaks(make(np.repeat(axes[1:4], 300, axis=0)), held_out, CONFIG, ABOVE, place).pairs()
    np.testing.assert_array_equal(pairs.query, np.arange(600))
    np.testing.assert_array_equal(pairs.neighbour, np.repeat([1, 1001], 300))
    assert sum(asked) < 10 * 900


@pytest.mark.parametrize("count", [1000, 3000])
def test_cosines_grow_with_the_number_of_equal_rows_not_its_square(
    place: Workplace, make: Callable[[np.ndarray], Described], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def counted(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        computed.append(len(left))
        return cosines(left, right)

    monkeypatch.setattr("dinov2.curation.search.exact.cosines", counted)
    others = unit(np.random.default_rng(0).standard_normal((100, DIM)))
    vectors = np.concatenate([others, np.repeat(others[:1], count, axis=0)]).astype(np.float16)
    np.testing.assert_array_equal(found(make(vectors), place), truth(vectors))
    assert 100 <= sum(computed) < count


@pytest.mark.parametrize("indexes", [1, 3])
def test_indexes_of_a_job_leave_nothing_to_compute(
    place: Workplace, make: Callable[[np.ndarray], Described], indexes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dinov2.curation.search.work.QUERIES", 8)
    training = make(groups(8, zeros=3))
    alone = found(training, place)
    place.keep.store.delete("curation")
    for index in range(indexes):
        copies(training, CONFIG, ABOVE, place).fill(index, indexes)
    monkeypatch.setattr("dinov2.curation.search.work.nearest", None)
    monkeypatch.setattr(equal, "_named", None)
    assert found(training, place).tobytes() == alone.tobytes()


def test_equal_rows_are_kept_for_any_threshold_and_found_anew_for_other_images(
    place: Workplace, make: Callable[[np.ndarray], Described], monkeypatch: pytest.MonkeyPatch
) -> None:
    training, other = make(groups(9)), make(groups(10))
    copies(training, CONFIG, ABOVE, place)
    with monkeypatch.context() as patch:
        patch.setattr(equal, "_named", None)
        copies(training, DeduplicateConfig(k=7), 0.9, place)
    assert len(equal_rows(other, place).row) != len(equal_rows(training, place).row)
