"""Connected components of a graph that arrives a block of edges at a time."""

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

WINDOW = 1 << 22
"""Members whose pointers are touched at once, 32 MiB of a file: its pages count as this process's memory until they are
left."""


class DisjointSets:
    """Sets of the numbers 0 to n - 1, joined in pairs; only one number for each member is kept, in a file if need be.

    Each member points to a smaller one of its set or, if there is none, to itself: the root. The outcome does not
    depend on the order of the pairs nor on how they are cut into blocks.

    Args:
        n: how many members.
        path: a local file to keep the pointers in, made anew; in memory when None.
    """

    def __init__(self, n: int, path: Path | None = None) -> None:
        self._map: mmap.mmap | None = None
        if path is None or not n:
            self._parent = np.arange(n)
            return
        with path.open("w+b") as file:
            for start in range(0, n, WINDOW):
                np.arange(start, min(start + WINDOW, n)).tofile(file)
            file.flush()
            self._map = mmap.mmap(file.fileno(), 0)
        self._parent = np.frombuffer(self._map, np.int64)

    def join(self, left: np.ndarray, right: np.ndarray) -> None:
        """Join the sets of left[i] and right[i] for every i; both (E,) of integers."""
        one, other = self._roots(left), self._roots(right)
        apart = one != other
        if not apart.any():
            return
        one, other = one[apart], other[apart]
        roots, ends = np.unique(np.concatenate([one, other]), return_inverse=True)
        edges = coo_array((np.ones(len(one), bool), np.split(ends, 2)), shape=(len(roots), len(roots)))
        component = connected_components(edges, directed=False)[1]
        # `roots` rises, so the first of a component is its smallest.
        smallest = np.unique(component, return_index=True)[1]
        self._point(roots, roots[smallest[component]])

    def roots(self, start: int, stop: int) -> np.ndarray:
        """(stop - start,) int64: the smallest member of the set of each of the members from `start` on."""
        return self._roots(np.arange(start, stop))

    def _roots(self, members: np.ndarray) -> np.ndarray:
        found = self._parents(members)
        while not np.array_equal(up := self._parents(found), found):
            found = up
        self._point(members, found)
        return found

    def _parents(self, members: np.ndarray) -> np.ndarray:
        found = np.empty(len(members), np.int64)
        for chosen in self._windows(members):
            found[chosen] = self._parent[members[chosen]]
        return found

    def _point(self, members: np.ndarray, parents: np.ndarray) -> None:
        for chosen in self._windows(members):
            self._parent[members[chosen]] = parents[chosen]

    def _windows(self, members: np.ndarray) -> Iterator[np.ndarray]:
        """Places in `members` of those of each window of the file, whose pages are left afterwards."""
        order = np.argsort(members, kind="stable")
        for chosen in np.split(order, np.flatnonzero(np.diff(members[order] // WINDOW)) + 1):
            yield chosen
            if self._map is not None:
                self._map.madvise(mmap.MADV_DONTNEED)
