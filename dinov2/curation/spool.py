"""The vectors of a set of images as one local file, in order of sha256, gathered from the shards of the store."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from dinov2.curation.catalogue import create_catalogue
from dinov2.curation.shards import read_shard
from dinov2.curation.vectors import ITEM, Mapped
from dinov2.curation.workplace import Described
from dinov2.data.stream import in_batches
from dinov2.data.tables import database, stream, temporary_folder, write_stream
from dinov2.errors import DataError
from dinov2.progress import progress
from dinov2.storage import Store, atomic_path, digest, file_sha256

IMAGES = pa.schema([pa.field("sha256", pa.string(), nullable=False), pa.field("row", pa.int64(), nullable=False)])
"""The image whose vector each row of the file is."""
FOLDER = "vectors"
"""Of the scratch folder: each set of images has its own in there, named by a digest."""
AHEAD = 4
"""Shards that are fetched before they are needed."""
REMEDY = "run `dvc repro -f embed`"


def spool(
    descriptor: str,
    dim: int,
    manifest: Path,
    store: Store,
    scratch: Path,
    where: str = "true",
    memory_gib: float = 1.0,
    threads: int = 1,
) -> Described:
    """Gather the vectors of the different images of a manifest, or find them where an earlier call left them.

        <scratch>/vectors/<digest of the descriptor and the images>/images.parquet  rows of `IMAGES`
        <scratch>/vectors/<digest of the descriptor and the images>/vectors.f16     (N, D) float16, little end first

    Each file is whole or absent, and the folder may be removed at any time. Equal images give equal files, however the
    manifest is ordered and the shards are cut. Memory holds `memory_gib` of tables and a few shards.

    Args:
        descriptor: digest of what made the vectors.
        dim: their length D.
        manifest: Parquet file with the columns `key` and `sha256`.
        store: where the shards are.
        scratch: a local folder.
        where: which rows of the manifest, in SQL.
        memory_gib: of tables.
        threads: that the tables are computed by.

    Raises:
        DataError: an image has no vector in the store, or a shard is missing or damaged.
    """
    with database(scratch, memory_gib, threads) as connection:
        connection.read_parquet(str(manifest)).filter(where).create_view("wanted")
        with temporary_folder(scratch, "images-") as drafts:
            draft = drafts / "images.parquet"
            count = write_stream(draft, _numbered(connection), IMAGES)
            folder = scratch / FOLDER / digest(descriptor, dim, file_sha256(draft))
            images, vectors = folder / "images.parquet", folder / "vectors.f16"
            with _locked(folder):
                draft.replace(images)
                if not vectors.exists():
                    connection.read_parquet(str(images)).create_view("image")
                    with atomic_path(vectors) as part, part.open("wb") as file, progress("gather", count) as shown:
                        for rows, found in _gathered(connection, descriptor, dim, store):
                            _write_rows(file.fileno(), rows, found)
                            shown.advance(len(rows))
    return Described(Mapped(vectors, dim), images, folder.name)


def _numbered(connection: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in stream(connection, "SELECT DISTINCT sha256 FROM wanted ORDER BY sha256"):
        yield pa.record_batch([batch["sha256"], pa.array(range(start, start + batch.num_rows))], schema=IMAGES)
        start += batch.num_rows


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time has the folder; what one that was killed left half-written is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for part in folder.glob(".*.part"):
            part.unlink()
        yield


def _gathered(
    connection: duckdb.DuckDBPyConnection, descriptor: str, dim: int, store: Store
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows (R,) of the file with their vectors (R, D), shard after shard; each shard is read once."""
    names, damaged = create_catalogue(connection, "have", store, descriptor)
    connection.execute("CREATE TABLE placed AS SELECT shard, place, row FROM image LEFT JOIN have USING (sha256)")
    connection.execute("DROP TABLE have")
    if connection.sql("SELECT count(*) FROM placed WHERE shard IS NULL").fetchall() != [(0,)]:
        why = f"; {store.url_of(damaged[0])}: damaged" if damaged else ""
        raise DataError(f"{_absent(connection)}: no vector of descriptor {descriptor} in {store.url}{why}; {REMEDY}")
    needed = connection.sql("SELECT DISTINCT shard FROM placed ORDER BY shard").fetchall()
    read = partial(_read, store, dim)
    shards = chain.from_iterable(in_batches(read, [names[number] for (number,) in needed], 1, AHEAD, AHEAD))
    current, vectors = -1, np.empty((0, dim), ITEM)
    for batch in stream(connection, "SELECT shard, place, row FROM placed ORDER BY shard, row"):
        numbers, places, rows = (column.to_numpy() for column in batch.columns)
        for start, stop in pairwise([0, *(np.flatnonzero(np.diff(numbers)) + 1), len(numbers)]):
            if numbers[start] != current:
                current, vectors = numbers[start], next(shards)
            yield rows[start:stop], vectors[places[start:stop]]


def _absent(connection: duckdb.DuckDBPyConnection) -> str:
    """The first key whose image has no vector."""
    absent = "SELECT sha256 FROM image JOIN placed USING (row) WHERE shard IS NULL"
    return connection.sql(f"SELECT min(key) FROM wanted WHERE sha256 IN ({absent})").fetchall()[0][0]


def _read(store: Store, dim: int, name: str) -> np.ndarray:
    vectors = read_shard(store, name)
    if vectors is None or vectors.shape[1:] != (dim,):
        raise DataError(f"{store.url_of(name)}.npy: missing or damaged; {REMEDY}")
    return vectors


def _write_rows(file: int, rows: np.ndarray, vectors: np.ndarray) -> None:
    """Write vectors (R, D) to these rows, ascending ones, of an open file: neighbours at once."""
    data = np.ascontiguousarray(vectors, ITEM)
    for start, stop in pairwise([0, *(np.flatnonzero(np.diff(rows) != 1) + 1), len(rows)]):
        os.pwrite(file, data[start:stop].data, int(rows[start]) * data.itemsize * data.shape[1])
