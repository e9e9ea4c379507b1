"""Exact arithmetic decides what an index proposes."""

from typing import Protocol

import numpy as np

from dinov2.curation.cosines import DECIMALS, cosines
from dinov2.curation.search.pairs import Pairs
from dinov2.curation.search.rows import unit_rows
from dinov2.curation.vectors import Part, Vectors

ROUNDING = 10.0**-DECIMALS
SLACK = 8
"""Candidates beyond k asked for at first, so that few queries are asked again."""
TAKEN = 1 << 17
"""Pairs whose vectors are fetched at once."""
AT_ONCE = 1 << 11
"""Pairs computed at once: their float64 rows stay in the processor's cache."""
PROPOSED = 1 << 21
"""Candidates held at once."""


class Index(Protocol):
    """Proposes neighbours among the vectors of a part.

    Attributes:
        error: how far a proposed similarity may be from the exact one.
        faithful: whether that holds for every vector it looked at, so that those it did not propose are less alike
            than those it did, but for `error`.
        depth: candidates it is asked for at least.
    """

    error: float
    faithful: bool
    depth: int

    def propose(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Similarities (B, count) float32, falling, and numbers (B, count) int64, -1 where there are no more.

        Args:
            queries: (B, D) float32 of length 1.
            count: candidates of each.
        """


def nearest(index: Index, part: Part, queries: np.ndarray, k: int, above: float) -> Pairs:
    """The `k` nearest of each query above `above`, numbered within the block and within the part.

    The cosines are those of the stored float16 vectors, in float64. A query of which a vector that was not proposed
    could yet be among the `k`, as where many are equally alike, is asked again for more.

    Args:
        index: over `part`.
        part: of the base.
        queries: (B, D) float16.
        k: neighbours of each.
        above: cosine that all pairs exceed.
    """
    found = []
    asked, count = np.arange(len(queries)), min(max(k + SLACK, index.depth), part.count)
    while len(asked):
        again = []
        for chosen in np.array_split(asked, max(1, -(-len(asked) * count // PROPOSED))):
            pairs, done = _weighed(index, part, queries, chosen, count, k, above)
            found.append(pairs)
            again.append(chosen[~done])
        asked, count = np.concatenate(again), min(2 * count, part.count)
    return Pairs.best(found, k)


def cosines_of(queries: np.ndarray, query: np.ndarray, base: Vectors, neighbour: np.ndarray) -> np.ndarray:
    """(E,) float32 cosines of E pairs of rows of `queries` (B, D) and of `base`."""
    found = np.empty(len(query), np.float32)
    for start in range(0, len(query), TAKEN):
        taken = base.take(neighbour[start : start + TAKEN])
        for first in range(start, start + len(taken), AT_ONCE):
            stop = min(first + AT_ONCE, start + len(taken))
            found[first:stop] = cosines(queries[query[first:stop]], taken[first - start : stop - start])
    return found


def _weighed(
    index: Index, part: Part, queries: np.ndarray, chosen: np.ndarray, count: int, k: int, above: float
) -> tuple[Pairs, np.ndarray]:
    """Pairs of those of the `chosen` queries that are done with, and (C,) which these are."""
    similarity, neighbour = index.propose(unit_rows(queries[chosen]), count)
    margin = index.error + ROUNDING
    least = np.full(len(chosen), above - margin)
    if index.faithful and count > k:
        least = np.maximum(least, similarity[:, k - 1] - 2 * margin)
    row, column = np.nonzero((similarity > least[:, None]) & (neighbour >= 0))
    candidates = neighbour[row, column]
    exact = cosines_of(queries, chosen[row], part, candidates)
    kept = exact > np.float32(above)
    pairs = Pairs.best([Pairs(row[kept], candidates[kept], exact[kept])], k)
    done = np.ones(len(chosen), bool)
    if index.faithful and count < part.count:
        bar = np.full(len(chosen), above)
        ends = np.searchsorted(pairs.query, np.arange(len(chosen)), side="right")
        full = np.bincount(pairs.query, minlength=len(chosen)) == k
        bar[full] = pairs.similarity[ends[full] - 1]
        done = (neighbour[:, -1] < 0) | (similarity[:, -1] + margin < bar)
    finished = done[pairs.query]
    return Pairs(chosen[pairs.query[finished]], pairs.neighbour[finished], pairs.similarity[finished]), done
