"""Spherical k-means against planted clusters, scikit-learn, faiss and itself."""

from pathlib import Path

import faiss
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import homogeneity_score

from dinov2.curation.descriptors import unit
from dinov2.curation.keep import Keep
from dinov2.curation.kmeans import fit as module
from dinov2.curation.kmeans import spherical_kmeans
from dinov2.curation.kmeans.nearest import Nearest
from dinov2.curation.vectors import Held, Mapped
from dinov2.errors import ConfigError
from dinov2.storage import Store
from tests.curation.kmeans.blobs import blobs


def nearest(vectors: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return Nearest(centroids)(vectors.astype(np.float32))


def test_no_cluster_mixes_planted_ones() -> None:
    vectors, labels = blobs([60] * 8, 0.05)
    found, _ = nearest(vectors, spherical_kmeans(Held(vectors), 24, seed=0))
    assert homogeneity_score(labels, found) == 1.0


def test_serves_the_points_as_well_as_faiss_and_scikit_learn() -> None:
    vectors, _ = blobs([40] * 30, 0.2)
    seeds = range(5)
    points = vectors.astype(np.float32)
    own = [nearest(vectors, spherical_kmeans(Held(vectors), 20, seed))[1].mean() for seed in seeds]
    theirs, learnt = [], []
    for seed in seeds:
        reference = faiss.Kmeans(32, 20, niter=25, spherical=True, seed=seed)
        reference.train(points)
        theirs.append(nearest(vectors, reference.centroids)[1].mean())
        fitted = KMeans(20, init="random", n_init=1, random_state=seed).fit(points)
        learnt.append(nearest(vectors, unit(fitted.cluster_centers_))[1].mean())
    assert np.mean(own) > 0.99 * np.mean(theirs)
    assert np.mean(own) > 0.99 * np.mean(learnt)


def test_converged_centroids_are_the_mean_directions_of_their_points() -> None:
    vectors, _ = blobs([50] * 4, 0.05)
    centroids = spherical_kmeans(Held(vectors), 4, seed=1, iterations=100)
    labels, _ = nearest(vectors, centroids)
    for cluster, centroid in enumerate(centroids):
        mean = vectors[labels == cluster].astype(np.float64).mean(axis=0)
        np.testing.assert_array_equal((mean / np.linalg.norm(mean)).astype(np.float32), centroid)


def test_bits_depend_neither_on_threads_nor_on_blocks_nor_on_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, _ = blobs([100] * 20, 0.3)
    vectors.tofile(tmp_path / "vectors")
    expected = spherical_kmeans(Held(vectors), 15, 3, iterations=5)
    before = faiss.omp_get_max_threads()
    try:
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            for block in (37, 500, 5000):
                np.testing.assert_array_equal(
                    spherical_kmeans(Held(vectors), 15, 3, iterations=5, block=block), expected
                )
        monkeypatch.setattr(module, "_room", lambda *_: 32 * 4 * 900)
        np.testing.assert_array_equal(
            spherical_kmeans(Mapped(tmp_path / "vectors", 32), 15, 3, iterations=5, block=100), expected
        )
    finally:
        faiss.omp_set_num_threads(before)
    assert not np.array_equal(expected, spherical_kmeans(Held(vectors), 15, 4, iterations=5))


def test_it_fits_to_so_many_points_of_each_cluster_and_no_more() -> None:
    vectors, _ = blobs([300] * 4, 0.3)
    few = spherical_kmeans(Held(vectors), 5, 0, points_per_cluster=40)
    np.testing.assert_array_equal(few, spherical_kmeans(Held(vectors[:200]), 5, 0))


@pytest.mark.parametrize("clusters", [1, 6])
def test_clusters_without_points_are_filled(clusters: int) -> None:
    vectors = np.random.default_rng(0).permutation(np.repeat(np.eye(6, 8, dtype=np.float16), 5, axis=0))
    centroids = spherical_kmeans(Held(vectors), clusters, seed=0)
    labels, similarities = nearest(vectors, centroids)
    assert len(np.unique(labels)) == clusters
    if clusters == 6:
        np.testing.assert_array_equal(similarities, 1.0)


def test_more_clusters_than_kinds_of_points_end_well() -> None:
    vectors = np.repeat(np.eye(3, 8, dtype=np.float16), 9, axis=0)
    centroids = spherical_kmeans(Held(vectors), 10, seed=0)
    np.testing.assert_array_equal(nearest(vectors, centroids)[1], 1.0)


def test_more_clusters_than_points_are_refused() -> None:
    with pytest.raises(ConfigError, match="clusters: 4: more than the 3 images"):
        spherical_kmeans(Held(np.eye(3)), 4, 0)


def test_centroids_beyond_the_memory_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"memory_gib: 0.5: 2 centroids of 3 numbers need"):
        spherical_kmeans(Held(np.eye(3)), 2, 0, memory_gib=0.5)


def test_a_killed_run_goes_on_from_its_last_whole_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = blobs([40] * 30, 0.5)
    expected = spherical_kmeans(Held(vectors), 20, 0, iterations=9)
    searches: list[int] = []

    class Counted(Nearest):
        def __init__(self, centroids: np.ndarray) -> None:
            searches.append(1)
            if len(searches) == 6:
                raise KeyboardInterrupt
            super().__init__(centroids)

    monkeypatch.setattr(module, "Nearest", Counted)
    store = Store(str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        spherical_kmeans(Held(vectors), 20, 0, iterations=9, keep=Keep(store, "d"))
    kept = [name for name in store.list("curation") if name.endswith(".npz")]
    assert len(kept) == 2
    for _ in range(2):
        found = spherical_kmeans(Held(vectors), 20, 0, iterations=9, keep=Keep(store, "d"))
        np.testing.assert_array_equal(found, expected)
        assert len(searches) == 6 + 4
    spherical_kmeans(Held(vectors), 20, 0, iterations=8, keep=Keep(store, "d"))
    assert len(searches) == 6 + 4 + 8


def test_a_damaged_iteration_is_made_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    vectors, _ = blobs([40] * 30, 0.5)
    keep = Keep(Store(str(tmp_path)), "d")
    expected = spherical_kmeans(Held(vectors), 20, 0, iterations=4, keep=keep)
    states = keep.within("k-means", len(vectors), 20, 0, 4, 256)
    path = tmp_path / f"curation/{states.within(4).digest}/state.npz"
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(spherical_kmeans(Held(vectors), 20, 0, iterations=4, keep=keep), expected)
    assert "damaged" in capfd.readouterr().err
