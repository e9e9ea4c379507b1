"""Vectors of every image of a manifest, in the store: those that are missing are made."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import duckdb
import numpy as np

from dinov2.curation.catalogue import create_catalogue
from dinov2.curation.descriptors import Descriptor
from dinov2.curation.missing import create_missing, missing_rows
from dinov2.curation.shards import delete_shard, is_whole, write_shard
from dinov2.data.images import Pixels, jpeg_reduction
from dinov2.data.sources import ImageReader
from dinov2.data.stream import Row, in_batches, read_sizes
from dinov2.data.tables import database
from dinov2.progress import progress, track
from dinov2.storage import Store

BATCH = 64
PIXELS = 2**29
"""Most that decoded images under way have together: 1.6 GB. It is room for 22 PNGs of 24 megapixels, while JPEGs, which
are decoded small, and others of up to 1.7 megapixels come in whole batches, as a GPU wants them."""
JPEG = (".jpg", ".jpeg")

Read = tuple[Row, dict[int, Pixels]]
"""A row of `missing` with its image, decoded for each `shortest` that is asked for."""


@dataclass(frozen=True)
class Embedder:
    """Computes the vectors that the store lacks; those that are there are never computed again.

    Vectors belong to the bytes of an image: however many keys share them, they are read and embedded once. Whatever the
    size of the manifest and of its images, memory holds `memory_gib` of tables, a shard of each descriptor, `PIXELS` of
    decoded images beside the batch that is embedded, and what each thread needs to decode one.

    Args:
        reader: fetches an image's bytes.
        store: where vectors are kept.
        scratch: a local folder for tables that do not fit in memory.
        shard_size: images in a shard, at most; an interrupted run can lose as many.
        threads: that read and decode.
        memory_gib: of tables.
    """

    reader: ImageReader
    store: Store
    scratch: Path
    shard_size: int
    threads: int
    memory_gib: float = 1.0

    def __call__(self, manifest: Path, descriptors: Sequence[Descriptor]) -> int:
        """Check the shards that hold images of the manifest, remove damaged ones, and embed what is missing then.

        Args:
            manifest: Parquet file, rows in any order.
            descriptors: of different digests; an image that several lack is read once for all.

        Returns:
            How many different images there are. Each has its vectors in the store now.

        Raises:
            DataError: an image is not what the manifest says, or cannot be read.
        """
        with self._opened(manifest, "true") as connection:
            for number, descriptor in enumerate(descriptors):
                self._create_checked(connection, f"have_{number}", descriptor)
            return self._embed(connection, descriptors, "embed")

    def fill(self, manifest: Path, descriptors: Sequence[Descriptor], index: int, indexes: int) -> None:
        """The share of one of the `indexes` of a job: embed what it lacks, and leave checks to the call that follows.

        Each has a range of sha256 of its own: no two embed the same image, whenever they begin.
        """
        bounds = [f"{number * 2**32 // indexes:08x}" for number in range(indexes)] + ["g"]
        with self._opened(manifest, f"sha256 >= '{bounds[index]}' AND sha256 < '{bounds[index + 1]}'") as connection:
            for number, descriptor in enumerate(descriptors):
                create_catalogue(connection, f"have_{number}", self.store, descriptor.digest)
            self._embed(connection, descriptors, f"embed, {index + 1} of {indexes}")

    @contextmanager
    def _opened(self, manifest: Path, where: str) -> Iterator[duckdb.DuckDBPyConnection]:
        with database(self.scratch, self.memory_gib, self.threads) as connection:
            connection.read_parquet(str(manifest)).filter(where).create_view("wanted")
            yield connection

    def _create_checked(self, connection: duckdb.DuckDBPyConnection, table: str, descriptor: Descriptor) -> None:
        """Make the catalogue `table`; shards in it that hold a wanted image are read, and damaged ones removed."""
        names, damaged = create_catalogue(connection, table, self.store, descriptor.digest)
        self._remove(damaged)
        query = f"SELECT DISTINCT shard FROM {table} SEMI JOIN wanted USING (sha256) ORDER BY shard"
        if not (shards := [shard for (shard,) in connection.sql(query).fetchall()]):
            return
        found = in_batches(
            partial(is_whole, self.store), [names[shard] for shard in shards], self.threads, self.threads
        )
        checked = zip(shards, chain.from_iterable(found), strict=True)
        shown = track(checked, f"check vectors of {descriptor.digest}", len(shards), "shards")
        broken = [shard for shard, whole in shown if not whole]
        self._remove([names[shard] for shard in broken])
        connection.execute(f"DELETE FROM {table} WHERE list_contains(?::INTEGER[], shard)", [broken])

    def _remove(self, damaged: Sequence[str]) -> None:
        for name in damaged:
            print(f"{self.store.url_of(name)}: damaged; its images are embedded again", file=sys.stderr, flush=True)
            delete_shard(self.store, name)

    def _embed(self, connection: duckdb.DuckDBPyConnection, descriptors: Sequence[Descriptor], what: str) -> int:
        """Embed the images of `wanted` that `have_0`, `have_1` ... lack; give how many are wanted."""
        wanted, missing = create_missing(connection, len(descriptors))
        shards = [_Shard(self.store, self.shard_size, *each) for each in enumerate(descriptors)]
        read = in_batches(
            partial(self._read, descriptors),
            missing_rows(connection),
            BATCH,
            self.threads,
            weigh=partial(_pixels, descriptors),
            most=PIXELS,
        )
        with progress(what, wanted, done=wanted - missing) as shown:
            for batch in read:
                for shard in shards:
                    shard.add(batch)
                shown.advance(len(batch))
            for shard in shards:
                shard.write()
        return wanted

    def _read(self, descriptors: Sequence[Descriptor], row: Row) -> Read:
        return row, read_sizes(self.reader, row, _sides(descriptors, row))


def _sides(descriptors: Sequence[Descriptor], row: Row) -> set[int]:
    """What a row of `missing` is decoded for."""
    return {each.shortest for each, lacks in zip(descriptors, row["lacks"], strict=True) if lacks}


def _pixels(descriptors: Sequence[Descriptor], row: Row) -> float:
    """What its decoded images have, going by its name: only a JPEG is decoded smaller than it is."""
    width, height, jpeg = row["width"], row["height"], row["key"].lower().endswith(JPEG)
    shares = (jpeg_reduction(width, height, side) if jpeg else 1 for side in _sides(descriptors, row))
    return sum(width * height / share**2 for share in shares)


class _Shard:
    """A shard of a descriptor, written when it is full: it holds every image that lacks this vector, others not."""

    def __init__(self, store: Store, size: int, number: int, descriptor: Descriptor) -> None:
        self._store, self._size, self._number, self._descriptor = store, size, number, descriptor
        self._sha256s: list[str] = []
        self._vectors: list[np.ndarray] = []

    def add(self, batch: Sequence[Read]) -> None:
        """Embed the images of a batch that lack this vector, and write what is full."""
        lacking = [
            (row["sha256"], images[self._descriptor.shortest]) for row, images in batch if row["lacks"][self._number]
        ]
        while lacking:
            room = self._size - len(self._sha256s)
            self._sha256s += [sha256 for sha256, _ in lacking[:room]]
            self._vectors.append(self._descriptor.embed([image for _, image in lacking[:room]]).astype(np.float16))
            lacking = lacking[room:]
            if len(self._sha256s) == self._size:
                self.write()

    def write(self) -> None:
        """Write what there is, and begin another."""
        if self._sha256s:
            write_shard(self._store, self._descriptor.digest, self._sha256s, np.concatenate(self._vectors))
            self._sha256s, self._vectors = [], []
