"""The files of a source that nothing is known of are looked at, and what they are found to be is kept."""

import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.data.config import IngestConfig
from dinov2.data.doubts import FOLDER, NAME_SQL
from dinov2.data.examine import examine
from dinov2.data.filters import Filter
from dinov2.data.looked import LOOKED, Looked
from dinov2.data.stream import in_batches
from dinov2.data.tables import stream
from dinov2.progress import progress

CHUNK, AHEAD = 32, 4
"""Files in a chunk, and chunks for each thread that may be under way."""

KEEP_FILES, KEEP_SECONDS = 4096, 60.0
"""What an interrupted run loses at most."""

UNKNOWN = """
    SELECT uri, size, version FROM named ANTI JOIN kept USING (uri, size, version)
    WHERE named.reason IS NULL AND hash(uri) % {indexes} = {index}
"""


def look_at(
    name: str,
    tables: duckdb.DuckDBPyConnection,
    read: Callable[[str], bytes],
    config: IngestConfig,
    filters: Collection[Filter],
    kept: Looked,
    folder: Path,
    threads: int,
    index: int = 0,
    indexes: int = 1,
) -> None:
    """Make the view `looked`, rows of type `LOOKED`, one for each file that is read.

    One of several `indexes` looks at its share of the unknown files alone.

    Args:
        name: of the source, for people.
        tables: has the table `named`: `uri`, `size` and `version` of each file, and a `reason` not to read it.
        read: the bytes behind a uri.
        config: bounds.
        filters: in their order.
        kept: what is known. What is doubted of it does not count; doubts that prove wrong are removed.
        folder: for local files.
        threads: that read and judge.
        index: which share of the files.
        indexes: how many shares there are.
    """
    query = UNKNOWN.format(index=index, indexes=indexes)
    _bring(kept, tables, folder / "kept")
    total, unknown = (_count(tables, each) for each in ("SELECT * FROM named WHERE reason IS NULL", query))
    look = partial(examine, read=read, config=config, filters=filters)
    with (
        progress(f"ingest {name}", total, done=total - unknown) as shown,
        pq.ParquetWriter(folder / "new", LOOKED) as new,
    ):
        waiting: list[dict[str, Any]] = []
        since = time.monotonic()
        for rows in in_batches(look, _rows(tables, query), CHUNK, threads, AHEAD * threads):
            waiting += rows
            shown.advance(len(rows))
            if len(waiting) >= KEEP_FILES or time.monotonic() - since > KEEP_SECONDS:
                _keep(waiting, kept, new)
                waiting, since = [], time.monotonic()
        _keep(waiting, kept, new)
    tables.read_parquet(str(folder / "new")).create_view("new", replace=True)
    # Two ingests at once may have looked at the same file.
    tables.execute("""
        CREATE OR REPLACE VIEW looked AS
        SELECT DISTINCT ON (uri, size, version) * FROM (SELECT * FROM kept UNION ALL SELECT * FROM new)
    """)
    for (doubt,) in tables.execute(f"SELECT doubt FROM doubted SEMI JOIN new ON doubt = {NAME_SQL}").fetchall():
        kept.store.delete(doubt)


def _bring(kept: Looked, tables: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make the table `doubted`, and the view `kept` of the rows that are known and not doubted."""
    kept.bring(path)
    doubts = kept.store.list(FOLDER)
    tables.execute("CREATE OR REPLACE TABLE doubted AS SELECT unnest(?::VARCHAR[]) AS doubt", [doubts])
    tables.read_parquet(str(path)).create_view("brought", replace=True)
    tables.execute(f"CREATE OR REPLACE VIEW kept AS SELECT * FROM brought ANTI JOIN doubted ON doubt = {NAME_SQL}")


def _keep(rows: list[dict[str, Any]], kept: Looked, new: pq.ParquetWriter) -> None:
    new.write_table(pa.Table.from_pylist(rows, LOOKED))
    kept.keep(row for row in rows if not row["passes"])


def _rows(tables: duckdb.DuckDBPyConnection, unknown: str) -> Iterator[dict[str, Any]]:
    """Files to look at, in the order of their places: so a shard is read from its beginning to its end."""
    for batch in stream(tables.cursor(), f"{unknown} ORDER BY uri, size, version"):
        yield from batch.to_pylist()


def _count(tables: duckdb.DuckDBPyConnection, query: str) -> int:
    return tables.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
