"""Vectors as indexes take them: float32 of length 1, a block at a time."""

from collections.abc import Iterator

import faiss
import numpy as np

from dinov2.curation.vectors import Vectors
from dinov2.errors import DataError

ROWS = 1 << 14


class Part:
    """Rows `start` to `stop` of `base`, numbered from 0; see `Vectors`."""

    def __init__(self, base: Vectors, start: int, stop: int) -> None:
        self._base, self.start = base, start
        self.count, self.dim = min(stop, base.count) - start, base.dim

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Vectors`."""
        return self._base.read(self.start + start, self.start + min(stop, self.count))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Vectors`."""
        return self._base.take(rows + self.start)


def unit_rows(vectors: np.ndarray, width: int = 0) -> np.ndarray:
    """(B, D) float16 as float32 of length 1, filled up with zeros to `width` columns; rows of zeros stay such.

    Raises:
        DataError: one is not finite.
    """
    found = np.zeros((len(vectors), max(width, vectors.shape[1])), np.float32)
    found[:, : vectors.shape[1]] = vectors
    if not np.isfinite(found.sum()):
        raise DataError("vectors: some are not finite: the shard of embeddings or its descriptor is broken")
    faiss.normalize_L2(found)
    return found


def unit_blocks(vectors: Vectors, stop: int, width: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """The first `stop` vectors as `unit_rows` gives them, each block with the number of its first row."""
    for start in range(0, stop, ROWS):
        yield start, unit_rows(vectors.read(start, min(start + ROWS, stop)), width)
