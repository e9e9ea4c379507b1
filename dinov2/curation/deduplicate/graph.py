"""The graph of copies: which images show the same, and which show an evaluation image (paper, appendix A.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from dinov2.curation.components import DisjointSets
from dinov2.curation.config import DeduplicateConfig
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


def copies(training: Described, config: DeduplicateConfig, above: float, place: Workplace) -> Lookup:
    """Pairs of rows of `training` that are copies, among the k nearest of each."""
    keep = place.keep.within("copies", training.digest, config.k, above)
    # Each is the nearest neighbour of itself.
    return Lookup("copies", training.vectors, training.vectors, config.k + 1, config.search, keep, above, place.gpus)


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
