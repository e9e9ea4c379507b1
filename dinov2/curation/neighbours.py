"""Nearest neighbours by inner product: an index proposes, exact arithmetic decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np

from dinov2.curation.descriptors import unit

QUERY_BLOCK = 4096
BASE_BLOCK = 1 << 18
SLACK = 8
"""Candidates beyond k, so that rounding inside an index does not decide who is among the k."""
DECIMALS = 6
"""Of a similarity: finer than float16 vectors can tell, coarser than the order of a sum can change."""


class Index(Protocol):
    """Proposes neighbours among N unit vectors; approximate indexes and ones spread over machines fit here."""

    def candidates(self, queries: np.ndarray, count: int) -> np.ndarray:
        """Numbers (B, count) int64 of the vectors likely nearest to (B, D) float32; -1 where there are no more."""


@dataclass(frozen=True)
class FlatIndex:
    """Looks at every vector, a block at a time: exact but for the rounding of float32.

    Args:
        vectors: (N, D), of any floating type, in memory or mapped.
    """

    vectors: np.ndarray

    def candidates(self, queries: np.ndarray, count: int) -> np.ndarray:
        """See `Index`."""
        found_ids = np.empty((len(queries), 0), np.int64)
        found = np.empty((len(queries), 0), np.float32)
        for start in range(0, len(self.vectors), BASE_BLOCK):
            block = unit(self.vectors[start : start + BASE_BLOCK])
            similarities, ids = faiss.knn(queries, block, min(count, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
            found = np.concatenate([found, similarities], axis=1)
            found_ids = np.concatenate([found_ids, ids + start], axis=1)
            kept = np.argsort(-found, axis=1, kind="stable")[:, :count]
            found, found_ids = np.take_along_axis(found, kept, 1), np.take_along_axis(found_ids, kept, 1)
        return found_ids


@dataclass(frozen=True)
class Neighbours:
    """Neighbours of a block of queries.

    Attributes:
        first: number of the block's first query.
        similarities: (B, K) float32 cosines, falling; -inf where there are fewer than K.
        ids: (B, K) int64 numbers in the base; equal similarities in rising order; -1 where there are fewer than K.
    """

    first: int
    similarities: np.ndarray
    ids: np.ndarray


def neighbours(queries: np.ndarray, base: np.ndarray, k: int, index: Index | None = None) -> Iterator[Neighbours]:
    """The `k` vectors of `base` nearest to each of `queries`, a block of queries at a time.

    The similarities are computed again in float64 for the candidates of the index, so that neither they nor their
    order depend on the number of threads or on the size of the blocks.

    Args:
        queries: (M, D), of any floating type; scaled to length 1 here.
        base: (N, D), likewise.
        k: neighbours of each; K = min(k, N).
        index: over `base`; a `FlatIndex` when None.
    """
    index = index or FlatIndex(base)
    wanted = min(k, len(base))
    for first in range(0, len(queries), QUERY_BLOCK):
        block = unit(queries[first : first + QUERY_BLOCK])
        ids = index.candidates(block, min(k + SLACK, len(base)))
        similarities = _exact(block, base, ids)
        order = np.lexsort((ids, -similarities), axis=1)[:, :wanted]
        yield Neighbours(first, np.take_along_axis(similarities, order, 1), np.take_along_axis(ids, order, 1))


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(B,) float32 inner products of the rows of (B, D) and (B, D) unit vectors, rounded to 6 decimals."""
    # Products of two float32 are exact in float64, and the sum of a row does not depend on the other rows.
    return np.round((left.astype(np.float64) * right.astype(np.float64)).sum(axis=1), DECIMALS).astype(np.float32)


def _exact(queries: np.ndarray, base: np.ndarray, ids: np.ndarray) -> np.ndarray:
    similarities = np.full(ids.shape, -np.inf, np.float32)
    for column in range(ids.shape[1]):
        found = ids[:, column] >= 0
        similarities[found, column] = cosines(queries[found], unit(base[ids[found, column]]))
    return similarities
