"""Vectors in clusters, and the truth about them."""

from collections.abc import Iterable

import numpy as np

from dinov2.curation.search import Pairs


def clustered(count: int, dim: int, seed: int) -> np.ndarray:
    """(count, dim) float16 unit vectors around 40 centres, within a few dimensions of each."""
    random = np.random.default_rng(seed)
    shared = np.random.default_rng(99)
    centres, bases = shared.standard_normal((40, dim)), shared.standard_normal((40, 8, dim))
    cluster = random.integers(0, 40, count)
    within = np.einsum("nr,nrd->nd", random.standard_normal((count, 8)), bases[cluster]) / 3
    vectors = centres[cluster] + within + 0.1 * random.standard_normal((count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def brute_force(queries: np.ndarray, base: np.ndarray, k: int, above: float = -1.0) -> Pairs:
    """Every cosine in float64, rounded to 6 decimals; the `k` largest above `above`, ties to the lower number."""
    left, right = queries.astype(np.float64), base.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)
    exact = np.round(left @ right.T / lengths, 6).astype(np.float32)
    numbers = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    similarity = np.take_along_axis(exact, numbers, 1)
    row, column = np.nonzero(similarity > np.float32(above))
    return Pairs(row, numbers[row, column], similarity[row, column])


def joined(found: Iterable[Pairs]) -> Pairs:
    """All that a search yields."""
    blocks = list(found)
    return Pairs(*(np.concatenate([getattr(each, name) for each in blocks]) for name in Pairs.__annotations__))


def assert_same(one: Pairs, other: Pairs) -> None:
    """The same pairs in the same order, to the last bit."""
    for name in Pairs.__annotations__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


BASE = clustered(6000, 48, 0)
QUERIES = clustered(900, 48, 1)
