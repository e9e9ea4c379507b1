"""The nearest centroid of every vector, a block at a time."""

import hashlib
from collections.abc import Iterator

import numpy as np

from dinov2.curation.cosines import cosines
from dinov2.curation.keep import Arrays, Keep
from dinov2.curation.kmeans.nearest import PAIRS, Nearest
from dinov2.curation.kmeans.threads import side_by_side
from dinov2.curation.vectors import Vectors
from dinov2.progress import progress

BLOCK = 1 << 20
"""Vectors whose outcome is kept at once."""
SEARCH = 1 << 12
"""Vectors in a search, as many as faiss multiplies at once."""


def assign(
    vectors: Vectors, centroids: np.ndarray, *, keep: Keep | None = None, block: int = BLOCK
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The nearest centroid of each vector, in order.

    Args:
        vectors: N of them.
        centroids: (C, D) float32 unit vectors.
        keep: where finished blocks are kept; names `vectors`.
        block: B, vectors in a block; the last has fewer.

    Yields:
        The number of the block's first vector; for each of its vectors the number (B,) int32 of the nearest centroid,
        of equally near ones the lowest; and the cosine (B,) float32 to it, computed in float64, rounded to 6 decimals.

    Raises:
        DataError: a vector is not finite.
    """
    blocks = _Blocks(vectors, centroids, keep, block)
    starts = range(0, vectors.count, block)
    kept = blocks.kept(starts)
    done = sum(min(block, vectors.count - start) for start in kept)
    with progress("clusters", vectors.count, "vectors", done=done) as bar:
        for start in starts:
            found = blocks.found(start)
            yield start, found["labels"], found["similarities"]
            if start not in kept:
                bar.advance(len(found["labels"]))


def fill(vectors: Vectors, centroids: np.ndarray, keep: Keep, index: int, indexes: int, *, block: int = BLOCK) -> None:
    """Make and keep every `indexes`-th block of `assign`, from block `index` on: that is one job's part.

    Args:
        vectors: as for `assign`.
        centroids: likewise.
        keep: likewise.
        index: of the job.
        indexes: how many jobs there are.
        block: as for `assign`.

    Raises:
        DataError: a vector is not finite.
    """
    blocks = _Blocks(vectors, centroids, keep, block)
    starts = range(0, vectors.count, block)[index::indexes]
    kept = blocks.kept(starts)
    left = [start for start in starts if start not in kept]
    with progress("clusters", len(starts), "blocks", done=len(starts) - len(left)) as bar:
        for start in left:
            blocks.found(start)
            bar.advance()


class _Blocks:
    def __init__(self, vectors: Vectors, centroids: np.ndarray, keep: Keep | None, block: int) -> None:
        self._vectors, self._centroids, self._block = vectors, np.ascontiguousarray(centroids, np.float32), block
        self._nearest = Nearest(self._centroids)
        named = hashlib.sha256(self._centroids.tobytes()).hexdigest()
        self._keep = keep and keep.within("assign", named, vectors.count, block)

    def found(self, start: int) -> Arrays:
        stop = min(start + self._block, self._vectors.count)
        if self._keep is None:
            return self._made(start, stop)
        return self._keep.made(_name(start), lambda: self._made(start, stop))

    def kept(self, starts: range) -> set[int]:
        """Those of the blocks that are kept already."""
        names = self._keep.names() if self._keep else set[str]()
        return {start for start in starts if _name(start) in names}

    def _made(self, start: int, stop: int) -> Arrays:
        parts = range(start, stop, SEARCH)
        found = list(side_by_side(lambda first: self._search(first, stop), parts, self._nearest.threads))
        labels, similarities = zip(*found, strict=True)
        return {"labels": np.concatenate(labels), "similarities": np.concatenate(similarities)}

    def _search(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        points_bd = self._vectors.read(first, min(first + SEARCH, stop))
        labels, _ = self._nearest(points_bd.astype(np.float32))
        parts = [slice(start, start + PAIRS) for start in range(0, len(labels), PAIRS)]
        return labels, np.concatenate([cosines(points_bd[part], self._centroids[labels[part]]) for part in parts])


def _name(start: int) -> str:
    return f"{start:012}"
