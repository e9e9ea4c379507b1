"""Connected components of a graph that arrives edge by edge."""

from array import array

import numpy as np


class DisjointSets:
    """Sets of the numbers 0 to n - 1, joined in pairs (union-find with path halving, Tarjan and van Leeuwen 1984).

    The root of a set is its smallest member, so that the outcome does not depend on the order of the pairs.
    """

    def __init__(self, n: int) -> None:
        self._parent = array("q", range(n))

    def join(self, left: np.ndarray, right: np.ndarray) -> None:
        """Join the sets of left[i] and right[i] for every i; both (E,) of integers."""
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            a, b = self._root(one), self._root(other)
            if a < b:
                self._parent[b] = a
            elif b < a:
                self._parent[a] = b

    def labels(self) -> np.ndarray:
        """(n,) int64: the number of each member's set; sets are counted from 0 in order of their smallest member."""
        parent = np.array(self._parent, dtype=np.int64)
        while True:
            grand = parent[parent]
            if np.array_equal(grand, parent):
                return np.unique(parent, return_inverse=True)[1]
            parent = grand

    def _root(self, member: int) -> int:
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member
