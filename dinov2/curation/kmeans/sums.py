"""Sums of the points of each cluster, exact and so the same in whatever order and places they are taken."""

import numpy as np
from scipy.sparse import csc_array


class ClusterSums:
    """What the points of each of C clusters sum up to, kept up to date as points move between clusters.

    float16 values in [-1, 1] are multiples of 2^-24. A float64 holds any sum of fewer than 2^29 of them exactly, so
    that taking a point away undoes adding it, and sums of parts add up to the sum of the whole, bit by bit. After a few
    rounds of k-means hardly any point moves, and keeping the sums costs next to nothing.

    Args:
        clusters: C.
        dim: D.

    Attributes:
        sums: (C, D) float64.
    """

    def __init__(self, clusters: int, dim: int) -> None:
        self.sums = np.zeros((clusters, dim))

    def move(self, points_bd: np.ndarray, before_b: np.ndarray, after_b: np.ndarray) -> None:
        """Take points out of one cluster and add them to another.

        Args:
            points_bd: (B, D) float32 that hold float16 values.
            before_b: (B,) int32 where each was; -1: nowhere yet.
            after_b: (B,) int32 where each is.
        """
        moved = np.flatnonzero(before_b != after_b)
        before, after = before_b[moved], after_b[moved]
        left = np.flatnonzero(before >= 0)
        clusters, places = np.unique(np.concatenate([after, before[left]]), return_inverse=True)
        signs = np.repeat([1.0, -1.0], [len(moved), len(left)])
        columns = np.concatenate([np.arange(len(moved)), left])
        change = csc_array((signs, (places, columns)), shape=(len(clusters), len(moved)))
        self.sums[clusters] += change @ points_bd[moved].astype(np.float64)
