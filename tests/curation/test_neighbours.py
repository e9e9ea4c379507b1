"""k-nearest neighbours against brute force in float64."""

import faiss
import numpy as np
import pytest

from dinov2.curation import neighbours as module
from dinov2.curation.descriptors import unit
from dinov2.curation.neighbours import FlatIndex, neighbours


def brute_force(queries: np.ndarray, base: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    exact = np.round(unit(queries).astype(np.float64) @ unit(base).astype(np.float64).T, 6)
    ids = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(exact, ids, 1), ids


def search(queries: np.ndarray, base: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    found = list(neighbours(queries, base, k))
    return np.concatenate([each.similarities for each in found]), np.concatenate([each.ids for each in found])


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((700, 24)).astype(np.float16)


@pytest.mark.parametrize("k", [1, 9, 64])
def test_equals_brute_force(vectors: np.ndarray, k: int) -> None:
    similarities, ids = search(vectors[:100], vectors, k)
    expected, expected_ids = brute_force(vectors[:100], vectors, k)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(similarities, expected, atol=1e-6)


def test_equal_similarities_come_in_order_of_id(vectors: np.ndarray) -> None:
    base = np.concatenate([vectors, vectors, vectors])
    _, ids = search(vectors[:50], base, 3)
    np.testing.assert_array_equal(ids, np.arange(50)[:, None] + [0, 700, 1400])


def test_blocks_change_nothing(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search(vectors, vectors, 12)
    monkeypatch.setattr(module, "BASE_BLOCK", 97)
    monkeypatch.setattr(module, "QUERY_BLOCK", 61)
    for one, other in zip(whole, search(vectors, vectors, 12), strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_change_no_bit() -> None:
    vectors = np.random.default_rng(1).standard_normal((3000, 120)).astype(np.float16)
    before = faiss.omp_get_max_threads()
    try:
        found = []
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            found.append(search(vectors, vectors, 10))
    finally:
        faiss.omp_set_num_threads(before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_fewer_vectors_than_k_gives_all_of_them(vectors: np.ndarray) -> None:
    similarities, ids = search(vectors[:5], vectors[:3], 64)
    assert ids.shape == similarities.shape == (5, 3)
    assert (np.sort(ids, axis=1) == [0, 1, 2]).all()


def test_an_index_that_finds_fewer_leaves_minus_one(vectors: np.ndarray) -> None:
    class Lazy:
        def candidates(self, queries: np.ndarray, count: int) -> np.ndarray:
            found = FlatIndex(vectors).candidates(queries, count)
            found[:, 2:] = -1
            return found

    (block,) = neighbours(vectors[:5], vectors, 4, Lazy())
    assert (block.ids[:, 0] == np.arange(5)).all()
    assert (block.ids[:, 2:] == -1).all()
    assert np.isneginf(block.similarities[:, 2:]).all()
