"""Shards of training images: planned by DuckDB, written in shuffled order, each with its checksum."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.data.config import SHARDS, SourceConfig
from dinov2.data.manifest import SCHEMA
from dinov2.data.pack.config import PackConfig
from dinov2.data.pack.shard import build_shard, told_of
from dinov2.data.sources import ImageReader
from dinov2.data.stream import Row, in_batches, read_bytes
from dinov2.data.tables import create_table, stream
from dinov2.progress import Progress, progress
from dinov2.storage import Store, digest

if TYPE_CHECKING:
    import duckdb

VERSION = 1
BATCH = 64

PACKED = pa.schema([*SCHEMA, ("shard", pa.string()), ("shard_sha256", pa.string())])
"""Rows of the manifest whose source is "shards" and whose uri is a place in a shard; the shard and its checksum."""

PLAN = """
CREATE TABLE planned AS
WITH drawn AS (SELECT *, sha256(concat($seed, ':', key)) AS draw FROM curated)
SELECT *, ((sum(bytes) OVER (ORDER BY draw, key) - bytes) // $size)::BIGINT AS number FROM drawn
"""


def packed_source(store: Store) -> SourceConfig:
    """Shards in the store as a source of images."""
    return SourceConfig(name=SHARDS, uri=store.url_of(f"{SHARDS}/*.tar"), role="pool")


@dataclass(frozen=True)
class Packer:
    """Writes the shards that the store lacks.

    The store holds shards/<digest>.tar with its checksum, and shards/<digest>.parquet with what lies where, written
    last; the digest names the images and what is said of them, so that no shard is ever written twice.

    Args:
        reader: fetches images from their sources.
        store: where shards go.
        config: their size and order.
        threads: that read.
    """

    reader: ImageReader
    store: Store
    config: PackConfig
    threads: int

    def plan(self, connection: "duckdb.DuckDBPyConnection", curated: Path) -> None:
        """Make the table `planned`: the rows of the file `curated` with the number of the shard of each."""
        connection.read_parquet(str(curated)).create_view("curated", replace=True)
        connection.execute(PLAN, {"seed": self.config.seed, "size": self.config.shard_mib * 2**20})

    def write(self, connection: "duckdb.DuckDBPyConnection", index: int = 0, indexes: int = 1) -> None:
        """Write every `indexes`th shard from number `index` on; the table `packed` says where their images lie."""
        create_table(connection, "packed", "key VARCHAR, uri VARCHAR, shard VARCHAR, shard_sha256 VARCHAR", ())
        mine = f"number % {indexes} = {index}"
        total = connection.sql(f"SELECT count(*) FROM planned WHERE {mine}").fetchall()[0][0]
        with progress("pack", total) as shown:
            # A cursor, because rows are put into a table while the rest is still to be read.
            planned = stream(connection.cursor(), f"SELECT * FROM planned WHERE {mine} ORDER BY draw, key")
            rows = chain.from_iterable(batch.to_pylist() for batch in planned)
            for _, shard in groupby(rows, itemgetter("number")):
                connection.from_arrow(self._shard(list(shard), shown)).insert_into("packed")

    def table(self, connection: "duckdb.DuckDBPyConnection") -> Iterator[pa.RecordBatch]:
        """Batches of `PACKED` in order of key, once every shard is written."""
        names = ", ".join(name for name in SCHEMA.names if name not in ("uri", "source"))
        yield from stream(
            connection,
            f"SELECT {names}, '{SHARDS}' AS source, packed.uri AS uri, shard, shard_sha256 "
            "FROM planned JOIN packed USING (key) ORDER BY key",
        )

    def _shard(self, rows: list[Row], shown: Progress) -> pa.Table:
        """The rows that the table `packed` gets of one shard, which is in the store then."""
        name = f"{SHARDS}/{digest('shard', VERSION, [[row['sha256'], told_of(row)] for row in rows])}"
        kept = self.store.read_checked(f"{name}.parquet")
        if kept is None or self.store.read_checked(f"{name}.tar") is None:
            members, checksum = self._written(f"{name}.tar", rows, shown)
        else:
            members, checksum = pq.read_table(io.BytesIO(kept)), self.store.read(f"{name}.tar.sha256").decode()
            shown.advance(len(rows))
        return _rows(members, Path(name).name + ".tar", checksum)

    def _written(self, name: str, rows: list[Row], shown: Progress) -> tuple[pa.Table, str]:
        def images() -> Iterator[tuple[Row, bytes]]:
            found = in_batches(partial(read_bytes, self.reader), rows, BATCH, self.threads)
            for first, batch in zip(range(0, len(rows), BATCH), found, strict=True):
                yield from zip(rows[first : first + BATCH], batch, strict=True)
                shown.advance(len(batch))

        data, members = build_shard(images())
        checksum = self.store.write_checked(name, data)
        buffer = io.BytesIO()
        pq.write_table(members, buffer)
        self.store.write_checked(name.removesuffix(".tar") + ".parquet", buffer.getvalue())
        return members, checksum


def _rows(members: pa.Table, shard: str, checksum: str) -> pa.Table:
    uris = [f"{shard}::{row['member']}#{row['offset']}+{row['size']}" for row in members.to_pylist()]
    constants = [pa.repeat(pa.scalar(value), len(uris)) for value in (shard, checksum)]
    return pa.table([members["key"], pa.array(uris, pa.string()), *constants], names=["key", "uri", "shard", "sha"])
