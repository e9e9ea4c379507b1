"""What curated sources retrieve from the pool."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np


@dataclass(frozen=True)
class Retrieved:
    """For each of the pool's P images, by what it was taken.

    Attributes:
        query: (P,) int64 number of the query it is nearest to; -1 when no query took it.
        similarity: (P,) float32 cosine to that query; -inf when no query took it.
        cluster: (P,) int64 cluster it was taken from; -1 when it was taken from none.
    """

    query: np.ndarray
    similarity: np.ndarray
    cluster: np.ndarray

    @staticmethod
    def nothing(size: int) -> "Retrieved":
        """No image of a pool of `size` taken yet."""
        return Retrieved(np.full(size, -1), np.full(size, -np.inf, np.float32), np.full(size, -1))

    @property
    def taken(self) -> np.ndarray:
        """(P,) bool."""
        return (self.query >= 0) | (self.cluster >= 0)


def union(found: Sequence[Retrieved]) -> Retrieved:
    """What any of `found` took, by the most similar query; the first of equals stands."""
    return reduce(_either, found)


def _either(one: Retrieved, other: Retrieved) -> Retrieved:
    better = other.similarity > one.similarity
    return Retrieved(
        np.where(better, other.query, one.query),
        np.where(better, other.similarity, one.similarity),
        np.where(one.cluster < 0, other.cluster, one.cluster),
    )
