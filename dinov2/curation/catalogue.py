"""Which image's vector lies where: the indexes of all shards of a descriptor as one table of DuckDB."""

from collections.abc import Iterator
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa

from dinov2.curation.shards import read_index, shard_names
from dinov2.data.stream import in_batches
from dinov2.data.tables import create_table
from dinov2.storage import Store

COLUMNS = "sha256 VARCHAR, shard INTEGER, place INTEGER"
READERS = 16
"""Threads that fetch shards: most of the time they wait for the store."""
AT_ONCE = 64


def create_catalogue(
    connection: duckdb.DuckDBPyConnection, table: str, store: Store, descriptor: str
) -> tuple[list[str], list[str]]:
    """Make the table `table` of `COLUMNS`: an image, the number of a shard and the row in it.

    Args:
        connection: gets the table.
        table: its name.
        store: where the shards are.
        descriptor: digest of what made their vectors.

    Returns:
        Names of the shards, to which `shard` counts, and of those whose index is damaged: they are not in the table.
    """
    names, damaged = shard_names(store, descriptor), list[str]()
    create_table(connection, table, COLUMNS, _rows(store, names, damaged))
    return names, damaged


def _rows(store: Store, names: list[str], damaged: list[str]) -> Iterator[pa.RecordBatch]:
    number = 0
    for indexes in in_batches(partial(read_index, store), names, AT_ONCE, READERS):
        for index in indexes:
            if index is None:
                damaged.append(names[number])
            else:
                yield _placed(index["sha256"], number)
            number += 1


def _placed(sha256: pa.ChunkedArray, shard: int) -> pa.RecordBatch:
    places = np.arange(len(sha256), dtype=np.int32)
    return pa.record_batch({"sha256": sha256.combine_chunks(), "shard": np.full_like(places, shard), "place": places})
