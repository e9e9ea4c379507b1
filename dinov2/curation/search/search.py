"""Nearest neighbours at any scale: blocks of queries against parts of a base, each result kept."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from dinov2.curation.keep import Keep
from dinov2.curation.search.config import SearchConfig
from dinov2.curation.search.keeps import Keeps, Nowhere
from dinov2.curation.search.pairs import Pairs
from dinov2.curation.search.plan import plan
from dinov2.curation.search.work import Work
from dinov2.curation.vectors import Vectors
from dinov2.progress import progress
from dinov2.storage import Store


def search(
    queries: Vectors,
    base: Vectors,
    k: int,
    config: SearchConfig,
    above: float = -1.0,
    keep: Keep | None = None,
    what: str = "neighbours",
    gpus: bool = False,
) -> Iterator[Pairs]:
    """The `k` vectors of `base` nearest to each of `queries`, a block of queries at a time and in order.

    Args:
        queries: (M, D); the same object as `base` to search it for itself, each vector being its own neighbour.
        base: (N, D), in an order by which the first ones are a random sample.
        k: neighbours of each query.
        config: by which index and in how much memory.
        above: cosine that all pairs exceed.
        keep: where what is finished is kept, named by what the vectors depend on; what is there is not searched for
            again. Without it nothing is.
        what: is being searched for, in messages.
        gpus: whether the indexes lie on GPUs.

    Raises:
        ConfigError: the memory is too small, or there are no GPUs.
    """
    if not queries.count or not base.count:
        return
    with _kept(keep, plan(base.count, base.dim, queries.count, config).parts) as kept:
        work = Work(queries, base, k, config, above, kept, what, gpus)
        done = set[int]()
        if work.plan.parts > 1:
            work.fill(work.tasks)
            what = f"{what}, put parts together"
        elif len(done := work.kept()) < len(work.blocks):
            work.prepare(0)
        with progress(what, queries.count, "queries", done=sum(map(work.size, done))) as shown:
            for block in work.blocks:
                found = [work.pairs(part, block) for part in range(work.plan.parts)]
                yield Pairs.best(found, k) if len(found) > 1 else found[0]
                if block not in done:
                    shown.advance(work.size(block))


def fill(
    queries: Vectors,
    base: Vectors,
    k: int,
    config: SearchConfig,
    above: float,
    keep: Keep,
    index: int,
    indexes: int,
    what: str = "neighbours",
    gpus: bool = False,
) -> None:
    """Keep what job `index` of `indexes` has to find for `search` with the same arguments: an equal share.

    Blocks of queries of one part follow each other, so that a job holds as few parts as can be.
    """
    if queries.count and base.count:
        work = Work(queries, base, k, config, above, keep, what, gpus)
        tasks = work.tasks
        work.fill(tasks[len(tasks) * index // indexes : len(tasks) * (index + 1) // indexes])


@contextmanager
def _kept(keep: Keep | None, parts: int) -> Iterator[Keeps]:
    """What is asked for; else a folder that goes away, where parts have to wait for each other."""
    if keep is not None or parts == 1:
        yield keep or Nowhere()
    else:
        with tempfile.TemporaryDirectory(prefix="search-") as folder:
            yield Keep(Store(folder), "parts")
