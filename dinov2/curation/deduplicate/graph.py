"""The graph of copies: which images show the same, and which show an evaluation image (paper, appendix A.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from dinov2.curation.components import DisjointSets
from dinov2.curation.config import DeduplicateConfig
from dinov2.curation.deduplicate.equal import Equal, equal_rows
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
    """Pairs of rows that are copies: the equal ones, and what a search finds among distinct vectors.

    A search for the neighbours of m equal vectors would compare m^2 pairs.

    Attributes:
        equal: rows with the vector of an earlier one.
        distinct: the vectors without these.
        lookup: of neighbours, numbered as in `distinct`.
    """

    equal: Equal
    distinct: Without
    lookup: Lookup

    def pairs(self) -> Iterator[Pairs]:
        """All pairs; what is kept already is read, the rest is found."""
        for start in range(0, len(self.equal.row), BLOCK):
            row, first = (each[start : start + BLOCK] for each in (self.equal.row, self.equal.first))
            yield Pairs(row, first, np.ones(len(row), np.float32))
        for block in self.lookup.pairs():
            yield Pairs(self.distinct.rows(block.query), self.distinct.rows(block.neighbour), block.similarity)

    def fill(self, index: int, indexes: int) -> None:
        """Find and keep the share of one of the `indexes` of a job."""
        self.lookup.fill(index, indexes)


def copies(training: Described, config: DeduplicateConfig, above: float, place: Workplace) -> Copies:
    """Pairs of rows of `training` that are copies, among the k nearest distinct vectors of each."""
    equal = equal_rows(training, place)
    distinct = Without(training.vectors, equal.row)
    keep, vectors = place.keep.within("copies", training.digest, config.k, above), training.vectors
    if len(equal.row):
        keep, vectors = keep.within("distinct"), distinct
    # Each is the nearest neighbour of itself.
    lookup = Lookup("copies", vectors, vectors, config.k + 1, config.search, keep, above, place.gpus)
    return Copies(equal, distinct, lookup)


def leaks(
    training: Described, held_out: Described, config: DeduplicateConfig, above: float, place: Workplace
) -> Lookup:
    """For each row of `training` the row of `held_out` that it is a copy of, the nearest one."""
    keep = place.keep.within("leaks", training.digest, held_out.digest, above)
    return Lookup(
        "copies of evaluation images", training.vectors, held_out.vectors, 1, config.search, keep, above, place.gpus
    )


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
