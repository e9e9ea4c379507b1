"""Indexes that put vectors into lists by nearest centroid (faiss IVF): whole, or as codes of a product quantiser."""

from typing import Any

import faiss
import numpy as np

from dinov2.curation.keep import Arrays
from dinov2.curation.search.flat import float32_error
from dinov2.curation.search.gpus import on_gpus, set_probes
from dinov2.curation.search.plan import ITERATIONS, POINTS, Plan
from dinov2.curation.search.rows import unit_blocks, unit_rows
from dinov2.curation.vectors import Part

SEED = 1234
HALF_ERROR = 2.0**-11
"""Most that rounding to float16 changes an inner product of unit vectors."""


def learn(plan: Plan, base: Part, gpus: bool) -> Arrays:
    """An empty index whose centroids, and codes, are fitted to the first vectors of the base; `index` is its bytes."""
    index, width = _empty(plan, base.dim)
    points = np.empty((plan.points, width), np.float32)
    for start, block in unit_blocks(base, plan.points, width):
        points[start : start + len(block)] = block
    if gpus:
        index.clustering_index = on_gpus(faiss.IndexFlatIP(width))
    index.train(points)
    index.clustering_index = None
    return {"index": faiss.serialize_index(index)}


def assign(learnt: Arrays, part: Part, gpus: bool, what: str) -> Arrays:
    """`list` (N,) int32 of each vector of the part; `what` is being done, for people."""
    index: Any = faiss.deserialize_index(learnt["index"])
    centroids = faiss.downcast_index(index.quantizer)  # lives as long as its index
    searched = centroids
    if gpus:
        searched = on_gpus(faiss.IndexFlatIP(index.d))
        searched.add(centroids.reconstruct_n(0, index.nlist))
    found = np.empty(part.count, np.int32)
    for start, block in unit_blocks(part, part.count, index.d, what):
        found[start : start + len(block)] = searched.search(block, 1)[1][:, 0]
    return {"list": found}


class Lists:
    """See `Index`.

    Args:
        plan: of the search.
        learnt: see `learn`.
        part: of the base, whose vectors it holds.
        lists: (N,) of each vector, see `assign`.
        gpus: whether it lies on these.
        what: is being done, for people.
    """

    def __init__(self, plan: Plan, learnt: Arrays, part: Part, lists: np.ndarray, gpus: bool, what: str) -> None:
        self.faithful = plan.kind == "ivf_flat"
        self.error = float32_error(part.dim) + HALF_ERROR if self.faithful else 2.0
        self.depth, self._gpus = 0, gpus
        index = faiss.deserialize_index(learnt["index"])
        self._width = index.d
        if gpus:
            index = on_gpus(index)
            for _, block in unit_blocks(part, part.count, self._width, what):
                index.add(block)
        else:
            _fill(index, part, lists, what)
        self._index = index

    def look_into(self, probes: int) -> None:
        """How many lists are searched for a query."""
        set_probes(self._index, probes, self._gpus)

    def propose(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Index`."""
        padded = queries if queries.shape[1] == self._width else unit_rows(queries, self._width)
        return self._index.search(padded, count)


def _empty(plan: Plan, dim: int) -> tuple[Any, int]:
    """The untrained index, and how wide its vectors are: filled up so that all pieces of a code are equally long."""
    width = -(-dim // plan.pq_bytes) * plan.pq_bytes if plan.pq_bytes else dim
    metric = faiss.METRIC_INNER_PRODUCT
    centroids = faiss.IndexFlatIP(width)
    index: Any
    if plan.kind == "ivf_pq":
        index = faiss.IndexIVFPQ(centroids, width, plan.lists, plan.pq_bytes, 8, metric)
        index.pq.cp.niter, index.pq.cp.seed, index.pq.cp.max_points_per_centroid = 2 * ITERATIONS, SEED, 2 * POINTS
        index.pq.cp.min_points_per_centroid = 1
    else:
        half = faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexIVFScalarQuantizer(centroids, width, plan.lists, half, metric, False)
    index.cp.niter, index.cp.seed, index.cp.max_points_per_centroid, index.cp.spherical = ITERATIONS, SEED, POINTS, True
    index.cp.min_points_per_centroid = 1
    return index, width


def _fill(index: Any, part: Part, lists: np.ndarray, what: str) -> None:
    # Lists of C++ that grow by themselves take up to twice their content: each is given its size first.
    for number, size in enumerate(np.bincount(lists, minlength=index.nlist).tolist()):
        index.invlists.resize(number, size)
        index.invlists.resize(number, 0)
    for start, block in unit_blocks(part, part.count, index.d, what):
        rows = np.arange(start, start + len(block))
        chosen = lists[rows].astype(np.int64)
        index.add_core(len(rows), faiss.swig_ptr(block), faiss.swig_ptr(rows), faiss.swig_ptr(chosen))
