"""Assignment of all vectors, by one job or several."""

from pathlib import Path

import numpy as np
import pytest

from dinov2.curation.descriptors import unit
from dinov2.curation.keep import Keep
from dinov2.curation.kmeans import assign, fill
from dinov2.curation.vectors import Held
from dinov2.storage import Store
from tests.curation.kmeans.blobs import blobs

VECTORS = blobs([70] * 10, 0.5)[0]
CENTROIDS = unit(np.random.default_rng(4).standard_normal((6, 32)))


class Watched(Held):
    """Vectors that know which rows were read."""

    def __init__(self, vectors: np.ndarray) -> None:
        super().__init__(vectors)
        self.reads: list[int] = []

    def read(self, start: int, stop: int) -> np.ndarray:
        self.reads.append(start)
        return super().read(start, stop)


def joined(block: int, keep: Keep | None = None) -> tuple[np.ndarray, np.ndarray]:
    found = list(assign(Held(VECTORS), CENTROIDS, keep=keep, block=block))
    assert [start for start, _, _ in found] == list(range(0, len(VECTORS), block))
    return np.concatenate([labels for _, labels, _ in found]), np.concatenate([cosine for _, _, cosine in found])


@pytest.mark.parametrize("block", [33, 700, 10_000])
def test_every_vector_gets_its_nearest_centroid_and_the_cosine_to_it(block: int) -> None:
    labels, similarities = joined(block)
    exact = VECTORS.astype(np.float64) @ CENTROIDS.T.astype(np.float64)
    lengths = np.linalg.norm(VECTORS.astype(np.float64), axis=1)
    np.testing.assert_array_equal(labels, exact.argmax(axis=1))
    np.testing.assert_allclose(similarities, exact.max(axis=1) / lengths, atol=6e-7)
    assert (labels.dtype, similarities.dtype) == (np.int32, np.float32)


def test_no_vectors_are_no_blocks() -> None:
    assert list(assign(Held(np.empty((0, 32))), CENTROIDS)) == []


def test_jobs_make_their_blocks_and_the_whole_reads_them(tmp_path: Path) -> None:
    keep = Keep(Store(str(tmp_path)), "d")
    parts = [Watched(VECTORS) for _ in range(3)]
    for index, vectors in enumerate(parts[:2]):
        fill(vectors, CENTROIDS, keep, index, 3, block=100)
    assert [vectors.reads for vectors in parts] == [[0, 300, 600], [100, 400], []]
    whole = Watched(VECTORS)
    labels = np.concatenate([labels for _, labels, _ in assign(whole, CENTROIDS, keep=keep, block=100)])
    assert whole.reads == [200, 500]
    np.testing.assert_array_equal(labels, joined(700)[0])


def test_other_centroids_are_another_computation(tmp_path: Path) -> None:
    keep = Keep(Store(str(tmp_path)), "d")
    joined(700, keep)
    _, other, _ = next(assign(Held(VECTORS), CENTROIDS[::-1], keep=keep))
    np.testing.assert_array_equal(5 - other, joined(700)[0])
