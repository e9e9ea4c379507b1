"""Matrices of vectors that are read a block at a time, in memory or on a local disk."""

import mmap
from pathlib import Path
from typing import Protocol

import numpy as np

from dinov2.errors import DataError

ITEM = np.dtype("<f2")
"""What vectors are stored as."""
WINDOW = 1 << 27
"""Bytes of a file that rows are taken from at once: pages touched, and those that the system maps around them, count as
this process's memory until they are left."""


class Vectors(Protocol):
    """N vectors of D float16.

    Attributes:
        count: N.
        dim: D.
    """

    count: int
    dim: int

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`, (stop - start, D) float16."""

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows of these R numbers, (R, D) float16, in any order."""


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


class Held:
    """Vectors (N, D) of any floating type in memory, as float16."""

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = np.ascontiguousarray(vectors, ITEM)
        self.count, self.dim = self._vectors.shape

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Vectors`."""
        return self._vectors[start:stop]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Vectors`."""
        return self._vectors[rows]


class Mapped:
    """Vectors in a local file, row after row of float16, little end first.

    What is read is copied out and the pages are left at once: the file may be larger than the memory.

    Raises:
        DataError: the file does not hold whole rows.
    """

    def __init__(self, path: Path, dim: int) -> None:
        size, row = path.stat().st_size, dim * ITEM.itemsize
        if size % row:
            raise DataError(f"{path}: {size} bytes are no whole number of vectors of {dim} float16")
        self.path, self.count, self.dim = path, size // row, dim
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Vectors`."""
        stop = min(stop, self.count)
        row = self.dim * ITEM.itemsize
        found = np.fromfile(self.path, ITEM, max(0, stop - start) * self.dim, offset=start * row)
        return found.reshape(-1, self.dim)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Vectors`."""
        found = np.empty((len(rows), self.dim), ITEM)
        if self._map is None:
            return found
        whole = np.frombuffer(self._map, ITEM).reshape(-1, self.dim)
        order = np.argsort(rows, kind="stable")
        window = rows[order] // max(1, WINDOW // (self.dim * ITEM.itemsize))
        for chosen in np.split(order, np.flatnonzero(np.diff(window)) + 1):
            found[chosen] = whole[rows[chosen]]
            self._map.madvise(mmap.MADV_DONTNEED)
        return found
