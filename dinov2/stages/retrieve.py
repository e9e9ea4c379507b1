"""Stage retrieve: the training set, from curated images and the images of the pool that are like them."""

from collections.abc import Iterator
from contextlib import contextmanager

from dinov2.curation.retrieval import Method, Sets, find_centres, method_for, retrieve
from dinov2.curation.retrieval import fill as fill_share
from dinov2.curation.workplace import Workplace
from dinov2.data.tables import database
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.curation_job import all_together, in_advance
from dinov2.stages.described import described, embedding, leave, workplace
from dinov2.storage import write_json


def run(context: Context) -> None:
    """Write the rows of the training set with the reason for each, and counts."""
    all_together(context, "retrieve")
    in_advance(context, "retrieve")
    unique, curated = context.path(files.UNIQUE), context.path(files.CURATED)
    with _sets(context) as (sets, place):
        counts = retrieve(unique, sets, context.params.retrieve, context.params.seed, place, curated)
    leave(sets.pool, *sets.queries.values())
    write_json(context.path(files.metrics("retrieve")), counts)
    if counts["whole_pool"]:
        print("no curated images: the whole pool is the training set")
    print(f"{counts['images']} training images, {counts['from_pool']} of them from the pool")


def fill(context: Context, index: int, indexes: int) -> None:
    """Do the share that one of the `indexes` of a job has in the searches."""
    with _sets(context) as (sets, place):
        fill_share(sets, context.params.retrieve, context.params.seed, place, index, indexes)


def together(context: Context) -> None:
    """Find the centres of clusters, as one of the processes of a job; they are kept in the store."""
    with _sets(context) as (sets, place):
        find_centres(sets, context.params.retrieve, context.params.seed, place)


@contextmanager
def _sets(context: Context) -> Iterator[tuple[Sets, Workplace]]:
    by, unique, config = embedding(context, "retrieval"), context.path(files.UNIQUE), context.params.retrieve
    pool = described(context, by, unique, "role = 'pool'")
    queries = {
        method: described(context, by, unique, f"role = 'curated' AND source IN ({_quoted(sources)})")
        for method, sources in _askers(context).items()
    }
    with workplace(context, config.search.memory_gib) as place:
        yield Sets(pool, queries, by.descriptor), place


def _askers(context: Context) -> dict[Method, list[str]]:
    """The curated sources that ask by each method, by their number of images."""
    if context.params.retrieve.method == "balanced":
        return {}
    with database(context.scratch, 1, 1) as connection:
        images = connection.read_parquet(str(context.path(files.UNIQUE))).filter("role = 'curated'")
        counts = images.aggregate("source, count(*)").order("source").fetchall()
    found: dict[Method, list[str]] = {}
    for source, count in counts:
        found.setdefault(method_for(count, context.params.retrieve), []).append(source)
    return found


def _quoted(names: list[str]) -> str:
    """Names of sources in SQL; they have no quotation marks in them."""
    return ", ".join(f"'{name}'" for name in names)
