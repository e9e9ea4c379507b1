"""The steps that `benchmarks.curation` measures: ours, the bare faiss calls of each, and the recall of searches."""

import math
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from dinov2.curation.components import DisjointSets
from dinov2.curation.keep import Keep
from dinov2.curation.kmeans import assign, spherical_kmeans
from dinov2.curation.search import Pairs, SearchConfig, fill, search
from dinov2.curation.search.plan import ITERATIONS, plan
from dinov2.curation.search.rows import unit_rows
from dinov2.curation.vectors import Part, Vectors
from dinov2.storage import Store

COPIES, ABOVE = 64, 0.6
NEAREST = 4
ASKING = 100
"""One vector in so many is a query in `retrieve`."""
KMEANS = {"iterations": 10, "points_per_cluster": 256}
SAMPLE = 1000
"""Queries whose neighbours are compared with exact search."""
BLOCK = 1 << 14

Figures = dict[str, Any]


class Stopwatch:
    """Adds up the time inside its blocks, that of the clock and that of all threads."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """A block that counts."""
        started, worked = time.perf_counter(), time.process_time()
        yield
        self.seconds += time.perf_counter() - started
        self.cpu_seconds += time.process_time() - worked


@dataclass(frozen=True)
class Question:
    """What a search asks: of a base itself, or of the rest of it by the first of its vectors, as curated ones."""

    k: int
    above: float
    itself: bool

    def sets(self, vectors: Vectors) -> tuple[Vectors, Vectors]:
        """Queries and base."""
        if self.itself:
            return vectors, vectors
        asking = vectors.count // ASKING
        return Part(vectors, 0, asking), Part(vectors, asking, vectors.count)


QUESTIONS = {"deduplicate": Question(COPIES + 1, ABOVE, True), "retrieve": Question(NEAREST, -1.0, False)}


def kmeans(base: Vectors, options: Namespace) -> Figures:
    """Centroids, and the nearest one of every vector."""
    clusters = math.isqrt(base.count)
    centroids = spherical_kmeans(base, clusters, 0, memory_gib=options.memory_gib, **KMEANS)
    served = sum(similarities.sum(dtype=np.float64) for _, _, similarities in assign(base, centroids))
    return {"why": f"{clusters} clusters", "mean_cosine": served / base.count}


def bare_kmeans(base: Vectors, _: Figures, watch: Stopwatch) -> Figures:
    """As many iterations over as many points, and one search of all vectors."""
    clusters, most = math.isqrt(base.count), KMEANS["points_per_cluster"]
    points = base.read(0, clusters * most).astype(np.float32)
    fitted = faiss.Kmeans(base.dim, clusters, niter=KMEANS["iterations"], spherical=True, max_points_per_centroid=most)
    with watch.running():
        fitted.train(points)
    served = 0.0
    for _, block in _blocks(base, base.count):
        with watch.running():
            similarities, _ = fitted.index.search(block, 1)
        served += similarities.sum(dtype=np.float64)
    return {"mean_cosine": served / base.count}


def searching(question: Question, vectors: Vectors, options: Namespace) -> Figures:
    """A search, each block of it kept, with the neighbours of a sample of the queries; of copies also components."""
    queries, base = question.sets(vectors)
    config = SearchConfig(index=options.index, memory_gib=options.memory_gib)
    chosen = plan(base.count, base.dim, queries.count, config)
    found: list[list[int]] = [[] for _ in range(min(SAMPLE, queries.count))]
    pairs, asked, sets = 0, 0, DisjointSets(base.count)
    with tempfile.TemporaryDirectory() as folder:
        keep = Keep(Store(folder), "benchmark")
        for block in _share(queries, base, question, config, keep, options.share):
            pairs += len(block)
            asked = max(asked, int(block.query.max(initial=-1)) + 1)
            if question.itself:
                sets.join(block.query, block.neighbour)
            sampled = block.query < len(found)
            for query, neighbour in zip(block.query[sampled].tolist(), block.neighbour[sampled].tolist(), strict=True):
                found[query].append(neighbour)
        tuned = {name: int(np.load(path)[name]) for path in Path(folder).rglob("tuned.npz") for name in _TUNED}
    groups = {"components": len(np.unique(sets.roots(0, base.count)))} if question.itself else {}
    figures = {"plan": asdict(chosen) | tuned, "why": chosen.why, "pairs": pairs, "found": found, "queries": asked}
    return figures | groups


def _share(
    queries: Vectors, base: Vectors, question: Question, config: SearchConfig, keep: Keep, share: int
) -> Iterator[Pairs]:
    """All pairs, or those that the first of `share` jobs finds where a base is searched for itself."""
    if share == 1 or not question.itself:
        yield from search(queries, base, question.k, config, question.above, keep)
        return
    fill(queries, base, question.k, config, question.above, keep, 0, share)
    for path in Path(keep.store.url).rglob("pairs-*.npz"):
        yield Pairs.of(dict(np.load(path)))


def bare_searching(question: Question, vectors: Vectors, done: Figures, watch: Stopwatch) -> Figures:
    """The same search."""
    queries, base = question.sets(vectors)
    chosen = done["plan"]
    for start in range(0, base.count, chosen["rows"]):
        part = Part(base, start, start + chosen["rows"])
        index = _bare_index(base, part, chosen, watch)
        for _, block in _blocks(queries, done["queries"]):
            with watch.running():
                index.search(block, max(question.k, chosen.get("depth", 0)))
        del index
    return {}


def recall(step: str, vectors: Vectors, found: list[list[int]]) -> float:
    """Share of the true 4 nearest of the first queries, as far as the step asks for them, that were found."""
    question = QUESTIONS[step]
    queries, base = question.sets(vectors)
    sample = unit_rows(queries.read(0, len(found)))
    best = faiss.ResultHeap(len(sample), NEAREST + 1, keep_max=True)
    for start, block in _blocks(base, base.count):
        similarities, numbers = faiss.knn(sample, block, NEAREST + 1, metric=faiss.METRIC_INNER_PRODUCT)
        best.add_result(similarities, numbers + start)
    best.finalize()
    true = hits = 0
    for query, mine in enumerate(found):
        itself = query if question.itself else -1
        near = [n for n, s in zip(best.I[query].tolist(), best.D[query], strict=True) if s > question.above]
        wanted = [n for n in near if n != itself][:NEAREST]
        true += len(wanted)
        hits += len(set(wanted) & set(mine))
    return hits / true


STEPS: dict[str, tuple[Callable[..., Figures], Callable[..., Figures]]] = {
    "deduplicate": tuple(partial(each, QUESTIONS["deduplicate"]) for each in (searching, bare_searching)),
    "retrieve": tuple(partial(each, QUESTIONS["retrieve"]) for each in (searching, bare_searching)),
    "kmeans": (kmeans, bare_kmeans),
}
"""Ours and the bare calls: ours(vectors, options) and bare(vectors, figures of ours, stopwatch)."""
_TUNED = ("probes", "depth")


def _bare_index(base: Vectors, part: Part, chosen: Figures, watch: Stopwatch) -> Any:
    metric, dim = faiss.METRIC_INNER_PRODUCT, base.dim
    index: Any = faiss.IndexFlatIP(dim)
    if chosen["kind"] != "flat":
        index = (
            faiss.IndexIVFPQ(index, dim, chosen["lists"], chosen["pq_bytes"], 8, metric)
            if chosen["kind"] == "ivf_pq"
            else faiss.IndexIVFScalarQuantizer(
                index, dim, chosen["lists"], faiss.ScalarQuantizer.QT_fp16, metric, False
            )
        )
        index.cp.niter, index.cp.max_points_per_centroid = ITERATIONS, chosen["points"] // chosen["lists"]
        points = base.read(0, chosen["points"]).astype(np.float32)
        with watch.running():
            index.train(points)
        index.nprobe = chosen["probes"]
    for _, block in _blocks(part, part.count):
        with watch.running():
            index.add(block)
    return index


def _blocks(vectors: Vectors, count: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, count, BLOCK):
        yield start, unit_rows(vectors.read(start, min(start + BLOCK, count)))
