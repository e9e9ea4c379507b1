"""Spherical k-means."""

import numpy as np

from dinov2.curation.descriptors import unit
from dinov2.curation.neighbours import neighbours
from dinov2.progress import progress

ITERATIONS = 25
POINTS_PER_CLUSTER = 256
"""Points that the centroids are fitted to, at most, as in faiss."""


def spherical_kmeans(vectors: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Centroids (clusters, D) float32 of length 1 that make the summed cosine to the nearest one large.

    Faiss assigns; sums are taken here, in float64 and in order, so that the bytes depend on the seed alone and not on
    the number of threads. An empty cluster takes over the point that is worst served.

    Args:
        vectors: (N, D), of any floating type, with N >= clusters.
        clusters: how many.
        seed: chooses the points to begin with, and the ones to fit to when there are many.
    """
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(len(vectors))[: clusters * POINTS_PER_CLUSTER])
    points = vectors[chosen]
    centroids = unit(points[np.sort(generator.permutation(len(points))[:clusters])])
    with progress("k-means", ITERATIONS, "iterations") as shown:
        for _ in range(ITERATIONS):
            labels, similarities = assign(points, centroids)
            updated = _means(points, labels, similarities, clusters)
            shown.advance(1, f"mean cosine {similarities.mean():.4f}")
            if np.array_equal(updated, centroids):
                break
            centroids = updated
    return centroids


def assign(vectors: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centroid of each of (N, D) vectors: its number (N,) int64 and the cosine (N,) float32."""
    found = list(neighbours(vectors, centroids, 1))
    return np.concatenate([block.ids[:, 0] for block in found]), np.concatenate(
        [block.similarities[:, 0] for block in found]
    )


def _means(points: np.ndarray, labels: np.ndarray, similarities: np.ndarray, clusters: int) -> np.ndarray:
    counts = np.bincount(labels, minlength=clusters)
    sums = np.zeros((clusters, points.shape[1]))
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(counts)
    for cluster in np.flatnonzero(counts):
        members = order[ends[cluster] - counts[cluster] : ends[cluster]]
        sums[cluster] = unit(points[members]).sum(axis=0, dtype=np.float64)
    empty = np.flatnonzero(counts == 0)
    sums[empty] = points[np.argsort(similarities, kind="stable")[: len(empty)]]
    return unit(sums)
