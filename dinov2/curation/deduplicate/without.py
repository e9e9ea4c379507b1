"""Vectors without some of their rows, which are not copied anywhere."""

import numpy as np

from dinov2.curation.vectors import Vectors

SPREAD = 2
"""A stretch of so many times the rows that are wanted of it is read as a whole; of a longer one, rows are taken."""


class Without:
    """See `Vectors`: those of `base` but the rows `removed`, in their order and numbered anew.

    Args:
        base: (N, D).
        removed: (E,) int64 numbers of rows, rising; 8 bytes each are all that is held.
    """

    def __init__(self, base: Vectors, removed: np.ndarray) -> None:
        self._base = base
        self._before = removed - np.arange(len(removed))  # of each removed row, how many stay before it
        self.count, self.dim = base.count - len(removed), base.dim

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """(R,) int64: the rows of `base` that these numbers stand for."""
        return numbers + np.searchsorted(self._before, numbers, side="right")

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Vectors`."""
        rows = self.rows(np.arange(start, min(stop, self.count)))
        if not len(rows) or rows[-1] - rows[0] >= SPREAD * len(rows):
            return self._base.take(rows)
        first, last = int(rows[0]), int(rows[-1])
        return self._base.read(first, last + 1)[rows - first]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Vectors`."""
        return self._base.take(self.rows(rows))
