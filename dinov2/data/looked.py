"""What files were found to be, kept in the store: no file is looked at twice, however often ingest is killed."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.data.stream import in_batches
from dinov2.storage import Store, digest

LOOKED = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("stored", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("bytes", pa.int64()),
        pa.field("hash", pa.uint64()),
        pa.field("faces", pa.int32()),
    ]
)
"""One row for each file. uri, size (-1 for unknown), version: which file, as its source lists it. reason, detail: why
it is not used, null for an image. stored: the uri of the blob that takes its place. sha256, width, height, bytes: as in
the manifest. hash, faces: what filters measured."""

IDENTITY = ("uri", "size", "version")
READERS = 16
CHECKSUM = ".sha256"
"""What the store calls the checksum beside a blob."""


@dataclass(frozen=True)
class Looked:
    """Rows of type `LOOKED` in checksummed blobs `ingest/<digest>/<digest of the files>.parquet`.

    Args:
        store: where.
        digest: names the source and all that decides about a file's content; with another one nothing is known.
    """

    store: Store
    digest: str

    def bring(self, path: Path) -> int:
        """Write all rows that are kept to one local Parquet file, and count them. Damaged blobs are removed.

        Those without a checksum are passed over: another process may be writing them.
        """
        count = 0
        listed = self.store.list(f"ingest/{self.digest}")
        names = [name.removesuffix(CHECKSUM) for name in listed if name.endswith(CHECKSUM)]
        with pq.ParquetWriter(path, LOOKED) as file:
            for (table,) in in_batches(self._read, names, 1, READERS):
                file.write_table(table)
                count += table.num_rows
        return count

    def keep(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep rows in a blob of their own."""
        table = pa.Table.from_pylist(list(rows), LOOKED)
        if table.num_rows:
            buffer = io.BytesIO()
            pq.write_table(table, buffer, compression="zstd")
            name = digest(table.select(IDENTITY).to_pylist())
            self.store.write_checked(f"ingest/{self.digest}/{name}.parquet", buffer.getvalue())

    def _read(self, name: str) -> pa.Table:
        data = self.store.read_checked(name)
        if data is not None:
            return pq.read_table(io.BytesIO(data), schema=LOOKED)
        for part in (f"{name}{CHECKSUM}", name):
            self.store.delete(part)
        return LOOKED.empty_table()
