"""Vectors of every image of the manifest, shard by shard, kept in the store."""

import hashlib
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dinov2.curation.descriptors import Descriptor
from dinov2.curation.shards import read_shard, recorded_checksum, shard_name, write_shard
from dinov2.data.images import decode_rgb
from dinov2.data.sources import ImageReader
from dinov2.errors import DataError
from dinov2.progress import Progress, progress
from dinov2.storage import Store

BATCH = 64
BATCHES_AHEAD = 4

Row = dict[str, Any]
Views = dict[int, np.ndarray]
"""One image, decoded for each shortest side that some descriptor asks for."""

INDEX = pa.schema(
    [
        ("descriptor", pa.string()),
        ("key", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int32()),
        ("checksum", pa.string()),
    ]
)
"""Where each vector lies: `descriptor` is "copy" or "retrieval", `shard` a name in the store, `row` a row of it."""


@dataclass(frozen=True)
class Embedder:
    """Computes the vectors that the store lacks; whole shards are never computed again.

    Args:
        reader: fetches an image's bytes.
        store: where vectors are kept.
        shard_size: images in a blob, at most.
        threads: that read and decode.
    """

    reader: ImageReader
    store: Store
    shard_size: int
    threads: int

    def __call__(self, manifest: pa.Table, descriptors: Mapping[str, Descriptor]) -> Iterator[pa.Table]:
        """The index of the vectors, a table of `INDEX` for each shard, once that shard is in the store.

        Args:
            manifest: the images, in any order.
            descriptors: by the name that the index gives them.

        Raises:
            DataError: an image is not what the manifest says, or cannot be read.
        """
        distinct = {descriptor.digest: descriptor for descriptor in descriptors.values()}
        with ThreadPoolExecutor(self.threads) as pool, progress("embed", manifest.num_rows) as shown:
            for shard in shards_of(manifest, self.shard_size):
                names = {each.digest: shard_name(each, shard["sha256"].to_pylist()) for each in distinct.values()}
                checksums = {each.digest: self._whole(names[each.digest]) for each in distinct.values()}
                missing = [each for each in distinct.values() if checksums[each.digest] is None]
                if missing:
                    vectors = self._vectors(shard, missing, pool, shown)
                    made = {key: write_shard(self.store, names[key], found) for key, found in vectors.items()}
                    checksums |= made
                else:
                    shown.advance(shard.num_rows)
                for name, descriptor in descriptors.items():
                    yield _index(name, shard["key"], names[descriptor.digest], checksums[descriptor.digest])

    def _whole(self, name: str) -> str | None:
        """The checksum of a shard that is there and sound; a damaged one is as good as none, and is said to be."""
        checksum = recorded_checksum(self.store, name)
        if checksum is not None and read_shard(self.store, name, checksum) is None:
            print(f"embed: {name}: damaged (its checksum differs); made again", file=sys.stderr, flush=True)
            return None
        return checksum

    def _vectors(
        self, shard: pa.Table, descriptors: Sequence[Descriptor], pool: ThreadPoolExecutor, shown: Progress
    ) -> dict[str, np.ndarray]:
        """Vectors (B, D) of a shard for each descriptor, by its digest."""
        parts: dict[str, list[np.ndarray]] = {descriptor.digest: [] for descriptor in descriptors}
        for views in self._views(shard, {descriptor.shortest for descriptor in descriptors}, pool):
            for descriptor in descriptors:
                parts[descriptor.digest].append(descriptor.embed([view[descriptor.shortest] for view in views]))
            shown.advance(len(views))
        return {key: np.concatenate(found) for key, found in parts.items()}

    def _views(self, shard: pa.Table, sides: set[int], pool: ThreadPoolExecutor) -> Iterator[list[Views]]:
        """Batches of decoded images, in order, decoded a few batches ahead and no more."""
        ahead: deque[list[Future[Views]]] = deque()
        columns = shard.select(["key", "source", "uri", "sha256"])
        for batch in columns.to_batches(max_chunksize=BATCH):
            ahead.append([pool.submit(self._view, row, sides) for row in batch.to_pylist()])
            if len(ahead) > BATCHES_AHEAD:
                yield [future.result() for future in ahead.popleft()]
        while ahead:
            yield [future.result() for future in ahead.popleft()]

    def _view(self, row: Row, sides: set[int]) -> Views:
        data = self.reader.read(row["source"], row["uri"])
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise DataError(
                f"{row['key']}: its bytes are not those of the manifest any more; run `dvc repro -f ingest`"
            )
        try:
            return {side: decode_rgb(data, shortest=side) for side in sides}
        except DataError as error:
            raise DataError(f"{row['key']}: {error}") from None


def shards_of(manifest: pa.Table, size: int) -> Iterator[pa.Table]:
    """The rows in order of key, `size` at a time and never of two sources: a new source changes no other's shards."""
    ordered = manifest.sort_by("key")
    for source in sorted(pc.unique(manifest["source"]).to_pylist()):
        rows = ordered.filter(pc.equal(ordered["source"], source))
        for start in range(0, rows.num_rows, size):
            yield rows.slice(start, size).combine_chunks()


def _index(descriptor: str, keys: pa.ChunkedArray, shard: str, checksum: str | None) -> pa.Table:
    count = len(keys)
    constants = [pa.repeat(pa.scalar(value, pa.string()), count) for value in (descriptor, shard, checksum)]
    rows = pa.array(np.arange(count, dtype=np.int32))
    return pa.table([constants[0], keys, constants[1], rows, constants[2]], schema=INDEX)
