"""The manifest: one row for each usable image, sorted by key, as a Parquet file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.errors import DataError
from dinov2.storage import atomic_path

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("label", pa.string()),
    ]
)
"""key: `<source>/<path inside the source>`, unique. uri: what the source reads the image by, or `store::<blob>` for a
copy that takes its place. sha256: of the bytes. width, height: as seen, after EXIF rotation. role: pool, curated or
evaluation. split: train or test."""

REJECTS = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("key", "uri", "source", "reason", "detail")]
)
"""One row for each file that is not used, with one of `inspection.Reason` or the kind of a filter, and a detail."""


def read_manifest(path: Path) -> pa.Table:
    """The rows of a manifest: the columns of `SCHEMA`, without those that a later stage put behind them.

    Raises:
        DataError: the file is missing, is not Parquet or lacks a column.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such manifest; `dinov2 ingest` writes it") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file: {error}") from None
    if not set(SCHEMA.names) <= set(table.schema.names):
        raise DataError(f"{path}: has columns {table.schema.names}, a manifest has {SCHEMA.names}")
    return table.select(SCHEMA.names).cast(SCHEMA)


def write_manifest(path: Path, table: pa.Table) -> None:
    """Write rows of type `SCHEMA` to `path`, sorted by key, whole or not at all."""
    write_rows(path, table.cast(SCHEMA))


def write_rows(path: Path, table: pa.Table) -> None:
    """Write a table that has a column `key` to `path`, sorted by it: equal rows in any order give equal bytes."""
    with atomic_path(path) as draft:
        pq.write_table(table.sort_by("key").replace_schema_metadata(None), draft, compression="zstd")
