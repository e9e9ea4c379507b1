"""The index that looks at every vector."""

import faiss
import numpy as np

from dinov2.curation.search.gpus import on_gpus
from dinov2.curation.search.rows import unit_blocks
from dinov2.curation.vectors import Part


def float32_error(dim: int) -> float:
    """Most that an inner product of two unit vectors can be off in float32, in any order of summation."""
    return (dim + 8) * 2.0**-24


class Flat:
    """See `Index`; its part is held in memory as float32."""

    faithful = True
    depth = 0

    def __init__(self, part: Part, gpus: bool) -> None:
        self.error = float32_error(part.dim)
        self._index = faiss.IndexFlatIP(part.dim)
        # A vector of C++ that grows by itself takes up to twice its content.
        self._index.codes.resize(part.count * part.dim * 4)
        self._index.codes.resize(0)
        if gpus:
            self._index = on_gpus(self._index)
        for _, block in unit_blocks(part, part.count):
            self._index.add(block)

    def propose(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Index`."""
        return self._index.search(queries, count)
