"""The graph of copies: which images show the same, and which show an evaluation image (paper, appendix A.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from dinov2.curation.components import DisjointSets
from dinov2.curation.config import DeduplicateConfig
from dinov2.curation.deduplicate.equal import NONE, Equal, equal_rows
from dinov2.curation.deduplicate.without import Without
from dinov2.curation.lookup import Lookup
from dinov2.curation.search import Pairs
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.tables import temporary_folder

BLOCK = 1 << 20


@dataclass(frozen=True)
class Thresholds:
    """Cosines above which two images are copies: of two training images, of a training and an evaluation image."""

    copies: float
    leaks: float


@dataclass(frozen=True)
class Copies:
    """Pairs of rows that are copies: what a search finds among distinct vectors, and equal ones.

    Of m equal vectors in a base, a search would compare all with each query that is near them.

    Attributes:
        lookup: of neighbours, in `queries` and `base`.
        queries: the vectors that are searched for, which number its queries.
        base: those that they are searched for in, which number its neighbours.
        equal: rows whose vector an earlier row has; of these the search knows nothing.
    """

    lookup: Lookup
    queries: Without
    base: Without
    equal: Equal = NONE

    def pairs(self) -> Iterator[Pairs]:
        """All pairs; what is kept already is read, the rest is found."""
        for start in range(0, len(self.equal.row), BLOCK):
            row, first = (each[start : start + BLOCK] for each in (self.equal.row, self.equal.first))
            yield Pairs(row, first, np.ones(len(row), np.float32))
        for block in self.lookup.pairs():
            yield Pairs(self.queries.rows(block.query), self.base.rows(block.neighbour), block.similarity)

    def fill(self, index: int, indexes: int) -> None:
        """Find and keep the share of one of the `indexes` of a job."""
        self.lookup.fill(index, indexes)


def copies(training: Described, config: DeduplicateConfig, above: float, place: Workplace) -> Copies:
    """Pairs of rows of `training` that are copies, among the k nearest distinct vectors of each."""
    equal = equal_rows(training, place)
    distinct = Without(training.vectors, equal.row)
    keep = place.keep.within("copies", "distinct", training.digest, config.k, above)
    # Each is the nearest neighbour of itself.
    lookup = Lookup("copies", distinct, distinct, config.k + 1, config.search, keep, above, place.gpus)
    return Copies(lookup, distinct, distinct, equal)


def leaks(
    training: Described, held_out: Described, config: DeduplicateConfig, above: float, place: Workplace
) -> Copies:
    """For each row of `training` the row of `held_out` that it is a copy of: the nearest, of equal ones the first."""
    every, distinct = Without(training.vectors, NONE.row), Without(held_out.vectors, equal_rows(held_out, place).row)
    keep = place.keep.within("leaks", "distinct", training.digest, held_out.digest, above)
    what = "copies of evaluation images"
    return Copies(Lookup(what, every, distinct, 1, config.search, keep, above, place.gpus), every, distinct)


def components(count: int, pairs: Iterator[Pairs], scratch: Path) -> Iterator[pa.RecordBatch]:
    """(row, component): the connected components of `count` rows, each named by its smallest row."""
    with temporary_folder(scratch, "components-") as folder:
        sets = DisjointSets(count, folder / "parents")
        for block in pairs:
            sets.join(block.query, block.neighbour)
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            yield pa.record_batch({"row": np.arange(start, stop), "component": sets.roots(start, stop)})


def shown(pairs: Iterator[Pairs]) -> Iterator[pa.RecordBatch]:
    """(row, shows, similarity): the evaluation row that a training row shows."""
    for block in pairs:
        yield pa.record_batch({"row": block.query, "shows": block.neighbour, "similarity": block.similarity})
