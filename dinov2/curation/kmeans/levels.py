"""Hierarchical k-means with resampling: clusters of clusters, spread evenly over what the pool shows.

After Vo et al. 2024, "Automatic Data Curation for Self-Supervised Learning: A Clustering-Based Approach", section 3.3.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dinov2.curation.keep import Keep
from dinov2.curation.kmeans.assignment import assign
from dinov2.curation.kmeans.fit import ITERATIONS, spherical_kmeans
from dinov2.curation.vectors import Held, Vectors
from dinov2.errors import ConfigError

RESAMPLINGS = 10
"""Rounds of resampling at each level above the first, as published."""


@dataclass(frozen=True)
class Hierarchy:
    """Levels of clusters, the finest first.

    Attributes:
        centroids: of each level, (C_t, D) float32 unit vectors. `assign` to those of the first level gives an image its
            cluster.
        parents: of each level but the last, (C_t,) int32: the cluster of the next level that a cluster belongs to.
    """

    centroids: tuple[np.ndarray, ...]
    parents: tuple[np.ndarray, ...]


def hierarchy(
    vectors: Vectors,
    levels: Sequence[int],
    seed: int,
    *,
    resamplings: int = RESAMPLINGS,
    iterations: int = ITERATIONS,
    keep: Keep | None = None,
    memory_gib: float = 4.0,
) -> Hierarchy:
    """Clusters of the vectors, clusters of their centroids, and so on.

    K-means puts more centroids where there are more points, but less so than in proportion. Clustering the centroids
    again flattens them further, and so does resampling: k-means on the points nearest to each centroid, about half of
    an average cluster of each, in place of all points. It is left out at the first level, for its cost, as published.

    Args:
        vectors: N of them, as for `spherical_kmeans`.
        levels: clusters at each level, the finest first, falling.
        seed: of all choices.
        resamplings: rounds at each level above the first.
        iterations: of k-means, at most.
        keep: as for `spherical_kmeans`.
        memory_gib: likewise.

    Raises:
        ConfigError: the levels do not fall, or there are fewer vectors than clusters.
        DataError: a vector is not finite.
    """
    if not levels or any(upper >= lower for lower, upper in itertools.pairwise(levels)):
        raise ConfigError(f"levels: {list(levels)}: numbers of clusters must fall from level to level")
    centroids: list[np.ndarray] = []
    parents: list[np.ndarray] = []
    for level, clusters in enumerate(levels):
        points = Held(centroids[-1]) if level else vectors
        kept = keep and keep.within("level", level)
        found = spherical_kmeans(points, clusters, seed, iterations=iterations, keep=kept, memory_gib=memory_gib)
        if level:
            for step in range(1, resamplings + 1):
                found = _resampled(points, found, seed + step, iterations, memory_gib, kept and kept.within(step))
            parents.append(_labels(points, found)[0])
        centroids.append(found)
    return Hierarchy(tuple(centroids), tuple(parents))


def _resampled(
    points: Vectors, centroids: np.ndarray, seed: int, iterations: int, memory_gib: float, keep: Keep | None
) -> np.ndarray:
    labels, similarities = _labels(points, centroids)
    each = max(1, round(points.count / len(centroids) / 2))
    order = np.lexsort((np.arange(points.count), -similarities, labels))
    ranks = np.arange(points.count) - np.searchsorted(labels[order], labels[order])
    chosen = Held(points.take(np.sort(order[ranks < each])))
    if chosen.count < len(centroids):
        return centroids
    return spherical_kmeans(chosen, len(centroids), seed, iterations=iterations, keep=keep, memory_gib=memory_gib)


def _labels(points: Vectors, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = list(assign(points, centroids))
    return np.concatenate([labels for _, labels, _ in found]), np.concatenate([cosine for _, _, cosine in found])
