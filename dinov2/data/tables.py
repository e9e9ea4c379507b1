"""Tables larger than memory: DuckDB decides, pyarrow writes, and equal rows give equal bytes."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.storage import atomic_path

if TYPE_CHECKING:
    import duckdb

BATCH = 1 << 16
GIB_EACH = 0.5
"""Memory for a thread of DuckDB: with less than half of it, joins of millions of rows fail instead of spilling."""
ROWS = 1 << 17
"""Rows in a row group of every file."""
OURS = "dinov2-"
"""What the names of temporary folders begin with: other programs may have theirs beside them."""
LOCK = "lock"
"""File in a temporary folder that its owner holds a lock on."""


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, named `OURS`, `prefix` and something; gone when the block ends.

    Those of processes that were killed are removed first: nobody holds the locks in them any more.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{OURS}{prefix}*/{LOCK}"):
        if abandoned(left):
            shutil.rmtree(left.parent, ignore_errors=True)  # another process may be at it as well
    with tempfile.TemporaryDirectory(dir=parent, prefix=f"{OURS}{prefix}") as name:
        folder = Path(name)
        with (folder / f"{LOCK}ed").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / f"{LOCK}ed").rename(folder / LOCK)  # so that nobody ever finds it without its owner
            yield folder


def abandoned(lock: Path) -> bool:
    """Whether nobody holds the lock of a temporary folder: the system lets go of it when its holder dies."""
    try:
        with lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held; gone by now; another user's
        return False
    return True


@contextmanager
def database(folder: Path, memory_gib: float, threads: int) -> "Iterator[duckdb.DuckDBPyConnection]":
    """A DuckDB connection that spills to files under `folder`, which are gone when the block ends.

    Args:
        folder: a local one.
        memory_gib: most it takes.
        threads: CPU threads, at most; fewer where there is less than `GIB_EACH` for one.
    """
    import duckdb  # not by the flow's process, at whose end it complains of leaks that Prefect's threads make

    with temporary_folder(folder, "duckdb-") as spill:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_gib * 1024:.0f}MiB",
            "temp_directory": str(spill),
            "threads": max(1, min(threads, int(memory_gib / GIB_EACH))),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(":memory:", config=settings) as connection:
            yield connection


def stream(connection: "duckdb.DuckDBPyConnection", query: str, params: object = None) -> Iterator[pa.RecordBatch]:
    """The rows of a query, a batch at a time; their order is that of its ORDER BY."""
    yield from connection.sql(query, params=params).to_arrow_reader(BATCH)


def create_table(
    connection: "duckdb.DuckDBPyConnection", name: str, columns: str, batches: Iterable[pa.RecordBatch]
) -> None:
    """Make the table `name` of DuckDB with these columns, written in SQL, and put the batches in."""
    connection.execute(f"CREATE TABLE {name} ({columns})")
    for batch in batches:
        connection.from_arrow(pa.Table.from_batches([batch])).insert_into(name)


def write_stream(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> int:
    """Write batches of any sizes to a Parquet file in row groups of one size, whole or not at all.

    Args:
        path: the file.
        batches: rows in the order of the file; their columns are brought to the types of `schema`.
        schema: of the file.

    Returns:
        How many rows there are.
    """
    count = 0
    with atomic_path(path) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as file:
        for group in _regrouped(batches, schema):
            file.write_table(group, row_group_size=ROWS)
            count += group.num_rows
    return count


def _regrouped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting = schema.empty_table()
    for batch in batches:
        rows = pa.Table.from_batches([batch]).select(schema.names).cast(schema)
        waiting = pa.concat_tables([waiting, rows])
        while waiting.num_rows >= ROWS:
            yield waiting.slice(0, ROWS).combine_chunks()
            waiting = waiting.slice(ROWS)
    if waiting.num_rows:
        yield waiting.combine_chunks()
