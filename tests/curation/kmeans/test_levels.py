"""Hierarchies of clusters on pools of which few kinds make up most."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dinov2.curation.keep import Keep
from dinov2.curation.kmeans import Hierarchy, assign, hierarchy, quotas
from dinov2.curation.kmeans.levels import _resampled
from dinov2.curation.vectors import Held
from dinov2.errors import ConfigError
from dinov2.storage import Store
from tests.curation.kmeans.blobs import blobs

SIZES = [1600, 800, 400, 200, 100, 50, 50, 40, 40, 40]


def entropy(labels: np.ndarray) -> float:
    """In units of that of an even distribution over the kinds of `SIZES`."""
    shares = np.bincount(labels, minlength=len(SIZES)) / len(labels)
    return float(-(shares * np.log(np.maximum(shares, 1e-12))).sum() / np.log(len(SIZES)))


def drawn(labels: np.ndarray, clusters: Hierarchy, target: int) -> np.ndarray:
    """The first images of each of the finest clusters, as many as it gives."""
    shares = quotas(np.bincount(labels, minlength=len(clusters.centroids[0])), clusters.parents, target)
    return np.concatenate([np.flatnonzero(labels == cluster)[:share] for cluster, share in enumerate(shares)])


def test_a_balanced_sample_is_flatter_than_the_pool_and_flatter_with_levels() -> None:
    vectors, kinds = blobs(SIZES, 0.1)
    flatness = []
    for levels in ([200], [200, 40, 10]):
        clusters = hierarchy(Held(vectors), levels, seed=0)
        labels = np.concatenate([labels for _, labels, _ in assign(Held(vectors), clusters.centroids[0])])
        flatness.append(entropy(kinds[drawn(labels, clusters, 300)]))
    pool, flat, hierarchical = entropy(kinds), *flatness
    print(f"evenness of the pool {pool:.3f}, of samples from one level {flat:.3f}, from three {hierarchical:.3f}")
    assert pool + 0.02 < flat
    assert flat + 0.1 < hierarchical


def test_levels_are_linked_by_the_nearest_centroid() -> None:
    vectors, _ = blobs([60] * 10, 0.3)
    found = hierarchy(Held(vectors), [40, 12, 3], seed=1, resamplings=2)
    assert [len(level) for level in found.centroids] == [40, 12, 3]
    for (below, above), parents in zip(pairwise(found.centroids), found.parents, strict=True):
        stored = below.astype(np.float16).astype(np.float64)
        np.testing.assert_array_equal(parents, (stored @ above.T.astype(np.float64)).argmax(axis=1))


def test_resampling_clusters_the_points_nearest_to_each_centroid(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = blobs([10, 30], 0.2)
    seen: list[np.ndarray] = []

    def record(points: Held, clusters: int, *_: object, **__: object) -> np.ndarray:
        seen.append(points.read(0, points.count))
        return np.zeros((clusters, 32), np.float32)

    monkeypatch.setattr("dinov2.curation.kmeans.levels.spherical_kmeans", record)
    centroids = vectors[:2].astype(np.float32)
    _resampled(Held(vectors), centroids, 0, 5, 4.0, None)
    exact = vectors.astype(np.float64) @ centroids.T.astype(np.float64)
    cosines = exact / np.linalg.norm(vectors.astype(np.float64), axis=1)[:, None]
    labels = exact.argmax(axis=1)
    expected = [np.flatnonzero(labels == cluster) for cluster in range(2)]
    rows = [members[np.argsort(-cosines[members, cluster])][:10] for cluster, members in enumerate(expected)]
    np.testing.assert_array_equal(seen[0], vectors[np.sort(np.concatenate(rows))])


def test_a_hierarchy_is_kept_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = blobs([60] * 10, 0.3)
    keep = Keep(Store(str(tmp_path)), "d")
    first = hierarchy(Held(vectors), [40, 12], seed=1, resamplings=2, keep=keep)
    monkeypatch.setattr("dinov2.curation.kmeans.fit._reassign", None)
    again = hierarchy(Held(vectors), [40, 12], seed=1, resamplings=2, keep=keep)
    np.testing.assert_array_equal(first.centroids[1], again.centroids[1])
    np.testing.assert_array_equal(first.parents[0], again.parents[0])


@pytest.mark.parametrize("levels", [[], [10, 10], [5, 10]])
def test_levels_that_do_not_fall_are_refused(levels: list[int]) -> None:
    with pytest.raises(ConfigError, match="levels"):
        hierarchy(Held(np.eye(20)), levels, seed=0)
