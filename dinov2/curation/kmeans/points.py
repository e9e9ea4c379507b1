"""The points that centroids are fitted to, read in blocks and held as far as the memory allows."""

from collections.abc import Iterator

import numpy as np

from dinov2.curation.kmeans.nearest import SLACK, inner_products
from dinov2.curation.kmeans.ranks import gathered
from dinov2.curation.vectors import Vectors


class Points:
    """The points of this process, and where they are.

    Args:
        vectors: of all processes.
        start: the first of this process.
        stop: the one after its last.
        block: rows in a block.
        room: bytes to hold blocks in; those beyond are read whenever they are needed.

    Attributes:
        count: P, how many.
        labels: (P,) int32, the cluster of each; -1 before the first search.
        similarities: (P,) float32 inner products with its centroid, as faiss rounds.
    """

    def __init__(self, vectors: Vectors, start: int, stop: int, block: int, room: int) -> None:
        self._vectors, self._start, self.count, self._block = vectors, start, stop - start, block
        self._room, self._held = room // (vectors.dim * 4), dict[int, np.ndarray]()
        self.labels = np.full(self.count, -1, np.int32)
        self.similarities = np.zeros(self.count, np.float32)

    def blocks(self) -> list[slice]:
        """Places of the points of each block."""
        return [slice(start, min(start + self._block, self.count)) for start in range(0, self.count, self._block)]

    def read(self, rows: slice) -> np.ndarray:
        """A block (B, D) float32; several threads may read at once."""
        held = self._held.get(rows.start)
        if held is not None:
            return held
        points_bd = self._vectors.read(self._start + rows.start, self._start + rows.stop).astype(np.float32)
        if rows.stop <= self._room:
            self._held[rows.start] = points_bd
        return points_bd

    def worst(self, centroids: np.ndarray, wanted: int) -> np.ndarray:
        """Rows (E,) int64, among all vectors, of the points of all processes that are served worst, worst first.

        Args:
            centroids: (C, D) that `labels` speak of.
            wanted: E.
        """
        places = self._served_badly(wanted)
        exact = np.concatenate([np.empty(0), *self._exact(places, centroids)])
        order = np.lexsort((places, exact))[:wanted]
        mine = np.full((wanted, 2), np.inf)
        mine[: len(order)] = np.stack([exact[order], self._start + places[order]], axis=1)
        similarities, rows = gathered(mine).T
        return rows[np.lexsort((rows, similarities))[:wanted]].astype(np.int64)

    def _served_badly(self, wanted: int) -> np.ndarray:
        if self.count <= wanted:
            return np.arange(self.count)
        limit = np.partition(self.similarities, wanted - 1)[wanted - 1]
        return np.flatnonzero(self.similarities <= limit + SLACK)

    def _exact(self, places: np.ndarray, centroids: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(places), self._block):
            part = places[start : start + self._block]
            points_bd = self._vectors.take(self._start + part)
            yield inner_products(points_bd, centroids, np.arange(len(part)), self.labels[part])
