"""Stage pack: the training images as tar shards in the store, which is then all that training reads."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from dinov2.data.pack import PACKED, Packer
from dinov2.data.tables import database, write_stream
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.curation_job import in_advance

MEMORY_GIB = 2.0


def run(context: Context) -> None:
    """Write the index of the shards; an empty one where `pack.write` is false."""
    path = context.path(files.PACKED)
    if not context.params.pack.write:
        write_stream(path, (), PACKED)
        print("pack.write is false: training reads the sources in place")
        return
    in_advance(context, "pack")
    with _planned(context) as (packer, connection):
        packer.write(connection)
        write_stream(path, packer.table(connection), PACKED)
        images, shards = connection.sql("SELECT count(*), count(DISTINCT shard) FROM packed").fetchall()[0]
    print(f"{images} images in {shards} shards")


def fill(context: Context, index: int, indexes: int) -> None:
    """Write the shards of one of the `indexes` of a job."""
    with _planned(context) as (packer, connection):
        packer.write(connection, index, indexes)


@contextmanager
def _planned(context: Context) -> Iterator[tuple[Packer, duckdb.DuckDBPyConnection]]:
    packer = Packer(context.reader, context.store, context.params.pack, context.settings.threads_each)
    with database(context.scratch, MEMORY_GIB, context.settings.threads_each) as connection:
        packer.plan(connection, context.path(files.CURATED))
        yield packer, connection
