"""The nearest of a set of centroids: faiss proposes, exact arithmetic decides where rounding could."""

import faiss
import numpy as np
import torch

from dinov2.curation.search import has_gpus
from dinov2.errors import DataError

SLACK = 1e-5
"""Cosines closer than this may come out of a float32 product in either order; its error is near 1e-7."""
SCORES = 1 << 22
"""Scores held at once when rows are decided."""
PAIRS = 1 << 10
"""Pairs of vectors multiplied at once in float64: they stay in the cache."""


class Nearest:
    """Finds the nearest of C centroids by inner product, on a GPU where this faiss has one.

    The outcome is that of float64: it depends neither on the size of the blocks nor on threads or the device.

    Args:
        centroids: (C, D) float32.

    Attributes:
        threads: how many may search at once.
    """

    def __init__(self, centroids: np.ndarray) -> None:
        self._centroids = centroids
        self._index, self.threads = _index(centroids)

    def __call__(self, points_bd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest centroid of each point.

        Args:
            points_bd: (B, D) float32 that hold float16 values.

        Returns:
            Numbers (B,) int32, of equally near centroids the lowest, and inner products (B,) float32 as faiss rounds.

        Raises:
            DataError: a point is not finite.
        """
        similarities, found = self._index.search(points_bd, min(2, len(self._centroids)))
        if (found[:, 0] < 0).any():
            raise DataError("vectors: some are not finite: the shard of embeddings or its descriptor is broken")
        labels = found[:, 0].astype(np.int32)
        if len(self._centroids) > 1:
            close = np.flatnonzero(similarities[:, 0] - similarities[:, 1] < SLACK)
            labels[close] = self._decided(points_bd[close])
        return labels, similarities[:, 0]

    def _decided(self, points_bd: np.ndarray) -> np.ndarray:
        step = max(1, SCORES // len(self._centroids))
        parts = [self._best(points_bd[start : start + step]) for start in range(0, len(points_bd), step)]
        return np.concatenate([np.empty(0, np.int32), *parts])

    def _best(self, points_bd: np.ndarray) -> np.ndarray:
        scores_bc = points_bd @ self._centroids.T
        rows, columns = np.nonzero(scores_bc >= scores_bc.max(axis=1, keepdims=True) - SLACK)
        exact = inner_products(points_bd, self._centroids, rows, columns)
        # Sorted by row, then from the nearest on, then by number: the first of each row is the one.
        order = np.lexsort((columns, -exact, rows))
        first = np.searchsorted(rows, np.arange(len(points_bd)))
        return columns[order[first]].astype(np.int32)


def inner_products(left: np.ndarray, right: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(P,) float64: the inner product of left[rows[p]] and right[columns[p]], each alike whatever stands beside it.

    Args:
        left: (L, D), of any floating type.
        right: (R, D), likewise.
        rows: (P,) numbers into `left`.
        columns: (P,) numbers into `right`.
    """
    found = np.empty(len(rows))
    for start in range(0, len(rows), PAIRS):
        part = slice(start, start + PAIRS)
        product = left[rows[part]].astype(np.float64)
        product *= right[columns[part]]
        found[part] = product.sum(axis=1)
    return found


def _index(centroids: np.ndarray) -> tuple[faiss.Index, int]:
    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    if has_gpus():
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), torch.cuda.current_device(), index), 1
    return index, faiss.omp_get_max_threads()
