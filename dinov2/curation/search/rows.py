"""Vectors as indexes take them: float32 of length 1, a block at a time."""

from collections.abc import Iterator

import faiss
import numpy as np

from dinov2.curation.vectors import Vectors
from dinov2.errors import DataError
from dinov2.progress import progress

ROWS = 1 << 14


def unit_rows(vectors: np.ndarray, width: int = 0) -> np.ndarray:
    """(B, D) float16 as float32 of length 1, filled up with zeros to `width` columns; rows of zeros stay such.

    Raises:
        DataError: one is not finite.
    """
    found = np.zeros((len(vectors), max(width, vectors.shape[1])), np.float32)
    found[:, : vectors.shape[1]] = vectors
    if not np.isfinite(found.sum()):
        raise DataError("vectors: some are not finite: the shard of embeddings or its descriptor is broken")
    faiss.normalize_L2(found)
    return found


def unit_blocks(vectors: Vectors, stop: int, width: int = 0, what: str = "") -> Iterator[tuple[int, np.ndarray]]:
    """The first `stop` vectors as `unit_rows` gives them, each block with the number of its first row.

    Progress is shown where `what` says of what.
    """
    with progress(what, stop, "vectors", silent=not what) as shown:
        for start in range(0, stop, ROWS):
            block = unit_rows(vectors.read(start, min(start + ROWS, stop)), width)
            yield start, block
            shown.advance(len(block))
