"""What a search finds: pairs of a query and a neighbour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pairs:
    """E pairs, by query, then the most alike first, then by the neighbour's number.

    Attributes:
        query: (E,) int64 numbers.
        neighbour: (E,) int64 numbers in the base.
        similarity: (E,) float32 cosines, rounded to 6 decimals.
    """

    query: np.ndarray
    neighbour: np.ndarray
    similarity: np.ndarray

    def __len__(self) -> int:
        return len(self.query)

    @staticmethod
    def best(found: Sequence["Pairs"], k: int) -> "Pairs":
        """The `k` best of each query among all of `found`, which share no pair."""
        query = np.concatenate([each.query for each in found])
        neighbour = np.concatenate([each.neighbour for each in found])
        similarity = np.concatenate([each.similarity for each in found])
        order = np.lexsort((neighbour, -similarity, query))
        ranked = query[order]
        rank = np.arange(len(ranked)) - np.searchsorted(ranked, ranked)
        order = order[rank < k]
        return Pairs(query[order], neighbour[order], similarity[order])

    def shifted(self, query: int, neighbour: int) -> "Pairs":
        """With numbers that begin at `query` and `neighbour` rather than at 0."""
        return Pairs(self.query + query, self.neighbour + neighbour, self.similarity)

    def arrays(self) -> dict[str, np.ndarray]:
        """As named arrays, for keeping."""
        return {"query": self.query, "neighbour": self.neighbour, "similarity": self.similarity}

    @staticmethod
    def of(arrays: Mapping[str, np.ndarray]) -> "Pairs":
        """From named arrays."""
        return Pairs(arrays["query"], arrays["neighbour"], arrays["similarity"])
