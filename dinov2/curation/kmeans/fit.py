"""Spherical k-means: faiss assigns, exact sums update, on any number of processes with the same bits."""

from contextlib import nullcontext

import faiss
import numpy as np

from dinov2.curation.descriptors import unit
from dinov2.curation.keep import Keep
from dinov2.curation.kmeans.nearest import Nearest
from dinov2.curation.kmeans.points import Points
from dinov2.curation.kmeans.ranks import rank, share_of, total
from dinov2.curation.kmeans.states import State, States
from dinov2.curation.kmeans.sums import ClusterSums
from dinov2.curation.kmeans.threads import AHEAD, side_by_side
from dinov2.curation.vectors import Vectors
from dinov2.errors import ConfigError
from dinov2.progress import Progress, progress

ITERATIONS = 25
POINTS_PER_CLUSTER = 256
"""Points that the centroids are fitted to, at most, as in faiss."""
BLOCK = 1 << 12
"""Points in a search, as many as faiss multiplies at once."""
BASE_GIB = 0.6
"""Memory of Python, torch and faiss."""
CENTROID_BYTES = 48
"""For each number of a centroid: sums here and over all processes, centroids before and after, index and blob."""
POINT_BYTES = 12
"""For each number of a block of points: itself, what is read and what it adds to sums."""
SEARCH_BYTES = 1 << 26
"""For each thread: the products that faiss holds, and those that are decided exactly."""


def spherical_kmeans(
    vectors: Vectors,
    clusters: int,
    seed: int,
    *,
    iterations: int = ITERATIONS,
    points_per_cluster: int = POINTS_PER_CLUSTER,
    keep: Keep | None = None,
    memory_gib: float = 4.0,
    block: int = BLOCK,
) -> np.ndarray:
    """Centroids (C, D) float32 of length 1 that make the summed cosine to the nearest one large.

    They are fitted to the first `clusters * points_per_cluster` vectors, of which each process takes a part where a
    process group is initialised. A cluster without points takes over the point that is served worst. The bits depend
    on the vectors, `clusters`, `seed`, `iterations` and `points_per_cluster` alone: not on processes, threads, blocks,
    memory or interruptions.

    Args:
        vectors: N >= clusters unit vectors in random order, all of which every process can read.
        clusters: C.
        seed: chooses the points to begin with.
        iterations: at most; it ends when no centroid changes.
        points_per_cluster: points to fit to, for each cluster.
        keep: where the latest iterations are kept, so that a run that was killed goes on from them; names `vectors`.
        memory_gib: of the process, at most. Points that find no room in it are read again in every iteration.
        block: points in a search.

    Raises:
        ConfigError: more clusters than vectors are asked for, or the centroids do not fit into the memory.
        DataError: a vector is not finite.
    """
    if clusters > vectors.count:
        raise ConfigError(f"clusters: {clusters}: more than the {vectors.count} images there are")
    count = min(vectors.count, clusters * points_per_cluster)
    states = States(keep and keep.within("k-means", vectors.count, clusters, seed, iterations, points_per_cluster))
    state = states.latest(iterations) or State(0, False, _some(vectors, count, clusters, seed))
    if state.finished:
        return state.centroids
    start, stop = share_of(count)
    points = Points(vectors, start, stop, block, _room(memory_gib, clusters, vectors.dim, block))
    sums = ClusterSums(clusters, vectors.dim)
    shown = progress("k-means", iterations * points.count, "points", state.iteration * points.count)
    with shown if rank() == 0 else nullcontext() as bar:
        while not state.finished:
            _reassign(points, sums, state.centroids, bar)
            updated = _updated(vectors, points, sums, state.centroids)
            finished = state.iteration + 1 == iterations or np.array_equal(updated, state.centroids)
            state = State(state.iteration + 1, finished, updated)
            states.add(state)
    return state.centroids


def _some(vectors: Vectors, count: int, clusters: int, seed: int) -> np.ndarray:
    return unit(vectors.take(np.sort(np.random.default_rng(seed).choice(count, clusters, replace=False))))


def _reassign(points: Points, sums: ClusterSums, centroids: np.ndarray, bar: Progress | None) -> None:
    nearest, served = Nearest(centroids), 0.0

    def search(rows: slice) -> tuple[slice, np.ndarray, np.ndarray, np.ndarray]:
        block_bd = points.read(rows)
        return rows, block_bd, *nearest(block_bd)

    for rows, block_bd, labels, similarities in side_by_side(search, points.blocks(), nearest.threads):
        sums.move(block_bd, points.labels[rows], labels)
        points.labels[rows], points.similarities[rows] = labels, similarities
        served += similarities.sum(dtype=np.float64)
        if bar:
            bar.advance(len(labels), f"mean cosine {served / rows.stop:.4f}")


def _updated(vectors: Vectors, points: Points, sums: ClusterSums, centroids: np.ndarray) -> np.ndarray:
    sums_cd = total(sums.sums)
    lengths = np.sqrt(np.einsum("cd,cd->c", sums_cd, sums_cd))
    updated = np.empty_like(centroids)
    np.divide(sums_cd, np.where(lengths > 0, lengths, 1)[:, None], out=updated, casting="same_kind")
    lost = np.flatnonzero(lengths == 0)
    if len(lost):
        updated[lost] = unit(vectors.take(points.worst(centroids, len(lost))))
    return updated


def _room(memory_gib: float, clusters: int, dim: int, block: int) -> int:
    threads = faiss.omp_get_max_threads()
    working = CENTROID_BYTES * clusters * dim + threads * SEARCH_BYTES + (threads + AHEAD) * POINT_BYTES * block * dim
    needed = BASE_GIB + working / 2**30
    if needed > memory_gib:
        raise ConfigError(f"memory_gib: {memory_gib}: {clusters} centroids of {dim} numbers need {needed:.1f}")
    return int((memory_gib - needed) * 2**30)
