"""Spherical k-means against planted clusters, scikit-learn and itself with other threads."""

import faiss
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from dinov2.curation.descriptors import unit
from dinov2.curation.kmeans import assign, spherical_kmeans


def blobs(clusters: int, each: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(clusters), each)
    centres = unit(random.standard_normal((clusters, 32)))
    return unit(centres[labels] + spread * random.standard_normal((clusters * each, 32))), labels


def test_finds_planted_clusters() -> None:
    vectors, labels = blobs(8, 60, 0.05)
    found, _ = assign(vectors, spherical_kmeans(vectors, 8, seed=0))
    assert adjusted_rand_score(labels, found) > 0.8


def test_serves_the_points_as_well_as_scikit_learn() -> None:
    vectors, _ = blobs(30, 40, 0.2)
    _, similarities = assign(vectors, spherical_kmeans(vectors, 20, seed=0))
    reference = KMeans(20, init="random", n_init=1, random_state=0).fit(vectors)
    _, expected = assign(vectors, unit(reference.cluster_centers_))
    assert similarities.mean() > 0.98 * expected.mean()


def test_centroids_are_unit_vectors_and_the_mean_direction_of_their_points() -> None:
    vectors, _ = blobs(4, 50, 0.05)
    centroids = spherical_kmeans(vectors, 4, seed=1)
    labels, _ = assign(vectors, centroids)
    for cluster, centroid in enumerate(centroids):
        np.testing.assert_allclose(unit(vectors[labels == cluster].mean(axis=0)), centroid, atol=1e-5)


def test_bytes_depend_on_the_seed_and_not_on_threads() -> None:
    vectors, _ = blobs(20, 100, 0.3)
    before = faiss.omp_get_max_threads()
    try:
        found = []
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            found.append(spherical_kmeans(vectors, 15, seed=3))
    finally:
        faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[0], spherical_kmeans(vectors, 15, seed=4))


@pytest.mark.parametrize("clusters", [1, 6])
def test_clusters_without_points_are_filled(clusters: int) -> None:
    vectors = np.repeat(np.eye(6, 8, dtype=np.float32), 5, axis=0)
    centroids = spherical_kmeans(vectors, clusters, seed=0)
    labels, similarities = assign(vectors, centroids)
    assert len(np.unique(labels)) == clusters
    if clusters == 6:
        np.testing.assert_allclose(similarities, 1.0, atol=1e-6)
