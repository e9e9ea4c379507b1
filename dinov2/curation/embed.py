"""Vectors of every image of the manifest, shard by shard, kept in the store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dinov2.curation.descriptors import Descriptor
from dinov2.curation.shards import checksum_of, shard_name, write_shard
from dinov2.data.sources import ImageReader
from dinov2.data.stream import in_batches, read_sizes
from dinov2.progress import Progress, progress
from dinov2.storage import Store

BATCH = 64

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
        with progress("embed", manifest.num_rows) as shown:
            for shard in shards_of(manifest, self.shard_size):
                names = {each.digest: shard_name(each, shard["sha256"].to_pylist()) for each in distinct.values()}
                checksums = {each.digest: checksum_of(self.store, names[each.digest]) for each in distinct.values()}
                missing = [each for each in distinct.values() if checksums[each.digest] is None]
                if missing:
                    vectors = self._vectors(shard, missing, shown)
                    made = {key: write_shard(self.store, names[key], found) for key, found in vectors.items()}
                    checksums |= made
                else:
                    shown.advance(shard.num_rows)
                for name, descriptor in descriptors.items():
                    yield _index(name, shard["key"], names[descriptor.digest], checksums[descriptor.digest])

    def _vectors(self, shard: pa.Table, descriptors: Sequence[Descriptor], shown: Progress) -> dict[str, np.ndarray]:
        """Vectors (B, D) of a shard for each descriptor, by its digest."""
        parts: dict[str, list[np.ndarray]] = {descriptor.digest: [] for descriptor in descriptors}
        read = partial(read_sizes, self.reader, sides={descriptor.shortest for descriptor in descriptors})
        rows = shard.select(["key", "source", "uri", "sha256"]).to_pylist()
        for images in in_batches(read, rows, BATCH, self.threads):
            for descriptor in descriptors:
                parts[descriptor.digest].append(descriptor.embed([image[descriptor.shortest] for image in images]))
            shown.advance(len(images))
        return {key: np.concatenate(found) for key, found in parts.items()}


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
