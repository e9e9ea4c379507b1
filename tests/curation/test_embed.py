"""Vectors in shards: what is computed, what is kept, and what is made again."""

import gc
import hashlib
import io
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.curation.config import GistConfig, HashConfig
from dinov2.curation.descriptors import Descriptor, create_descriptor
from dinov2.curation.embed import Embedder
from dinov2.curation.shards import read_index, read_shard, shard_names
from dinov2.data.images import decode_rgb
from dinov2.data.manifest import SCHEMA
from dinov2.data.stream import read_sizes
from dinov2.errors import DataError

COPY, RETRIEVAL = create_descriptor(HashConfig(), Path()), create_descriptor(GistConfig(), Path())


class Counted:
    """A descriptor that counts the images it embeds."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.digest, self.dim, self.shortest = descriptor.digest, descriptor.dim, descriptor.shortest
        self._descriptor, self.images, self.most = descriptor, 0, 0

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        self.images += len(images)
        self.most = max(self.most, len(images))
        return self._descriptor.embed(images)


class Reads:
    """A reader that counts how often each image is read."""

    def __init__(self, reader: object) -> None:
        self._reader, self.counts = reader, Counter[str]()

    def read(self, source: str, uri: str) -> bytes:
        self.counts[f"{source}/{uri}"] += 1
        return self._reader.read(source, uri)

    def doubt(self, uri: str, sha256: str) -> None:
        self._reader.doubt(uri, sha256)


@pytest.fixture
def pool(make_pool: Callable, picture: Callable):
    return make_pool([picture(seed) for seed in range(11)], [picture(seed) for seed in range(20, 23)])


def opened(pool, size: int = 4, threads: int = 2, reader: object = None) -> Embedder:
    return Embedder(reader or pool.reader, pool.store, pool.folder / "scratch", size, threads)


def written(pool, manifest: pa.Table | None = None) -> Path:
    path = pool.folder / "manifest.parquet"
    pq.write_table(pool.manifest if manifest is None else manifest, path)
    return path


def embed(pool, manifest: pa.Table | None = None, *descriptors: Descriptor, **options: object) -> tuple[int, Reads]:
    """How many images there are, and how often each was read."""
    reads = Reads(pool.reader)
    count = opened(pool, reader=reads, **options)(written(pool, manifest), descriptors or (COPY, RETRIEVAL))
    return count, reads


def vectors(pool, descriptor: Descriptor) -> dict[str, np.ndarray]:
    """Every vector there is of a descriptor by its image; none is there twice."""
    found: dict[str, np.ndarray] = {}
    for name in shard_names(pool.store, descriptor.digest):
        sha256s = read_index(pool.store, name)["sha256"].to_pylist()
        assert not found.keys() & set(sha256s)
        found |= dict(zip(sha256s, read_shard(pool.store, name), strict=True))
    return found


def files(pool) -> dict[str, bytes]:
    return {name: pool.store.read(name) for name in pool.store.list("embeddings")}


def test_every_image_has_its_vectors(pool) -> None:
    assert embed(pool)[0] == 14
    images = {r["sha256"]: decode_rgb(pool.reader.read(r["source"], r["uri"])) for r in pool.manifest.to_pylist()}
    for descriptor in (COPY, RETRIEVAL):
        found = vectors(pool, descriptor)
        assert found.keys() == images.keys()
        expected = descriptor.embed(list(images.values())).astype(np.float16)
        np.testing.assert_array_equal(np.stack([found[sha256] for sha256 in images]), expected)


def test_shards_are_cut_in_order_of_sha256_and_have_their_checksums_beside_them(pool) -> None:
    embed(pool)
    sha256s = sorted(pool.manifest["sha256"].to_pylist())
    names = shard_names(pool.store, COPY.digest)
    found = sorted(read_index(pool.store, name)["sha256"].to_pylist() for name in names)
    assert found == [sha256s[:4], sha256s[4:8], sha256s[8:12], sha256s[12:]]
    for name in names:
        vectors = np.load(io.BytesIO(pool.store.read(f"{name}.npy")), allow_pickle=False)
        assert vectors.dtype == np.float16
        assert vectors.shape == (len(read_index(pool.store, name)), COPY.dim)
        for suffix in (".npy", ".parquet"):
            checksum = hashlib.sha256(pool.store.read(name + suffix)).hexdigest()
            assert pool.store.read(f"{name}{suffix}.sha256").decode() == checksum


def test_an_image_is_read_once_for_all_its_keys_and_descriptors(pool) -> None:
    twin = pool.manifest.slice(0, 3).set_column(0, "key", pa.array(["zz/0", "zz/1", "zz/2"])).cast(SCHEMA)
    count, reads = embed(pool, pa.concat_tables([twin, pool.manifest]))
    assert count == 14
    assert reads.counts == Counter(pool.manifest["key"].to_pylist())
    assert len(vectors(pool, COPY)) == 14


def test_what_is_there_is_not_computed_again(pool) -> None:
    embed(pool)
    before = files(pool)
    count, reads = embed(pool)
    assert count == 14
    assert not reads.counts
    assert files(pool) == before


def test_a_pool_that_grew_has_only_what_is_new_embedded(pool) -> None:
    embed(pool, pool.manifest.slice(0, 13))
    before = files(pool)
    descriptor = Counted(COPY)
    count, reads = embed(pool, None, descriptor)
    assert (count, descriptor.images) == (14, 1)
    assert reads.counts == Counter(pool.manifest["key"].to_pylist()[13:])
    assert before.items() < files(pool).items()


def test_a_descriptor_that_is_added_reads_every_image_and_leaves_the_other_alone(pool) -> None:
    embed(pool, None, COPY)
    copy, retrieval = Counted(COPY), Counted(RETRIEVAL)
    _, reads = embed(pool, None, copy, retrieval)
    assert (copy.images, retrieval.images) == (0, 14)
    assert reads.counts == Counter(pool.manifest["key"].to_pylist())


def test_descriptors_that_lack_different_images_get_those(pool) -> None:
    embed(pool, pool.manifest.slice(0, 5), COPY)
    embed(pool, pool.manifest.slice(3, 6), RETRIEVAL)
    copy, retrieval = Counted(COPY), Counted(RETRIEVAL)
    _, reads = embed(pool, None, copy, retrieval)
    assert (copy.images, retrieval.images) == (9, 8)
    assert reads.counts == Counter(key for n, key in enumerate(pool.manifest["key"].to_pylist()) if n not in (3, 4))


def test_batches_are_never_larger_than_a_batch(pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinov2.curation.embed.BATCH", 3)
    descriptor = Counted(COPY)
    embed(pool, None, descriptor, size=1000)
    assert (descriptor.images, descriptor.most) == (14, 3)


def declared(manifest: pa.Table, side: int, suffix: str) -> pa.Table:
    """The manifest, had its images so many pixels on each side and names of this suffix."""
    rows = [row | {"width": side, "height": side, "key": row["key"] + suffix} for row in manifest.to_pylist()]
    return pa.Table.from_pylist(rows, SCHEMA)


def test_large_jpegs_which_are_decoded_small_come_in_whole_batches(pool) -> None:
    for suffix, most in ((".JPG", 14), (".png", 1)):
        given = Counted(COPY)
        embed(pool, declared(pool.manifest, 8192, suffix), given, size=100)
        assert given.most == most
        pool.store.delete("embeddings")


@pytest.mark.parametrize(
    ("side", "descriptors", "most"),
    [(8192, [COPY], 5), (8192, [COPY, RETRIEVAL], 4), (20_000, [COPY], 1), (25_000, [COPY, RETRIEVAL], 1)],
)
def test_pixels_under_way_are_bounded_whatever_images_declare(
    pool, side: int, descriptors: list[Descriptor], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is decoded for each descriptor; what is more than may be under way comes alone."""
    embed(pool, None, *descriptors)
    expected = files(pool)
    pool.store.delete("embeddings")
    begun, under_way, given = itertools.count(1), [], Counted(descriptors[0])
    together = threading.Barrier(most)

    def read(reader: object, row: dict, sides: set[int]) -> dict[int, np.ndarray]:
        number = next(begun)
        under_way.append(number - given.images)
        if number <= most:
            together.wait(timeout=30)
        return read_sizes(reader, row, sides)

    monkeypatch.setattr("dinov2.curation.embed.read_sizes", read)
    embed(pool, declared(pool.manifest, side, ".png"), given, *descriptors[1:], threads=16)
    assert max(under_way) <= most + 1, "beside the one that is about to be embedded"
    assert files(pool) == expected


def test_an_interrupted_run_goes_on_after_its_last_whole_shard(pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinov2.curation.embed.BATCH", 2)
    last = max(pool.manifest.to_pylist(), key=itemgetter("sha256"))
    path = pool.folder / last["key"]
    path.rename(pool.folder / "away")
    with pytest.raises(DataError, match=last["uri"]):
        embed(pool)
    before = files(pool)
    assert len(shard_names(pool.store, COPY.digest)) == 3
    (pool.folder / "away").rename(path)
    _, reads = embed(pool)
    assert reads.counts.total() == 2
    assert before.items() < files(pool).items()


def flipped(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize("damage", [flipped, lambda data: data[:-1], None], ids=["flipped", "truncated", "missing"])
@pytest.mark.parametrize("suffix", [".npy", ".npy.sha256", ".parquet", ".parquet.sha256"])
def test_a_damaged_shard_alone_is_made_again_and_said_to_be(
    pool, suffix: str, damage: Callable[[bytes], bytes] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    embed(pool)
    whole = files(pool)
    name = shard_names(pool.store, COPY.digest)[1]
    if damage:
        pool.store.write(name + suffix, damage(whole[name + suffix]))
    else:
        pool.store.delete(name + suffix)
    capsys.readouterr()
    copy, retrieval = Counted(COPY), Counted(RETRIEVAL)
    embed(pool, None, copy, retrieval)
    assert files(pool) == whole
    assert (copy.images, retrieval.images) == (len(read_index(pool.store, name)), 0)
    said = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    # A shard without its index was never finished, or was removed: it is no shard.
    assert said == (
        []
        if (suffix, damage) == (".parquet", None)
        else [f"{pool.store.url_of(name)}: damaged; its images are embedded again"]
    )


def test_a_damaged_shard_of_other_images_is_left_alone(pool) -> None:
    embed(pool, pool.manifest.slice(0, 7), COPY)
    for name in shard_names(pool.store, COPY.digest):
        pool.store.write(f"{name}.npy", b"damaged")
    before = files(pool)
    embed(pool, pool.manifest.slice(7), COPY)
    assert before.items() < files(pool).items()


def test_an_image_in_two_shards_survives_the_loss_of_one(pool) -> None:
    """As when two runs embedded the same at once."""
    embed(pool, pool.manifest.slice(0, 4), COPY)
    (first,) = shard_names(pool.store, COPY.digest)
    kept = {name: data for name, data in files(pool).items() if name.startswith(first)}
    pool.store.delete("embeddings")
    embed(pool, None, COPY, size=1000)
    for name, data in kept.items():
        pool.store.write(name, data)
    pool.store.write(f"{first}.npy", b"damaged")
    descriptor = Counted(COPY)
    embed(pool, None, descriptor)
    assert descriptor.images == 0
    assert len(vectors(pool, COPY)) == 14


def test_order_of_rows_and_number_of_threads_change_no_byte(pool) -> None:
    embed(pool, threads=1)
    before = files(pool)
    pool.store.delete("embeddings")
    shuffled = pool.manifest.take(pa.array(np.random.default_rng(0).permutation(pool.manifest.num_rows)))
    embed(pool, shuffled, threads=4)
    assert files(pool) == before


def test_size_of_shards_changes_no_vector(pool) -> None:
    embed(pool)
    before = vectors(pool, COPY)
    pool.store.delete("embeddings")
    embed(pool, size=1000)
    after = vectors(pool, COPY)
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[sha256], after[sha256]) for sha256 in before)


def test_shares_of_a_job_are_all_images_and_none_twice(pool) -> None:
    manifest, descriptor = written(pool), Counted(COPY)
    # The last one begins when others have filled the store; it must not matter.
    for index in (2, 0, 1):
        opened(pool).fill(manifest, [descriptor], index, 3)
    assert descriptor.images == 14
    assert len(vectors(pool, COPY)) == 14
    _, reads = embed(pool, None, COPY)
    assert not reads.counts


def test_a_share_that_is_done_again_computes_nothing(pool) -> None:
    manifest, descriptor = written(pool), Counted(COPY)
    opened(pool).fill(manifest, [descriptor], 1, 2)
    embedded = descriptor.images
    assert 0 < embedded < 14
    opened(pool).fill(manifest, [descriptor], 1, 2)
    assert descriptor.images == embedded


def test_an_image_that_changed_since_ingest_is_named(pool) -> None:
    (pool.folder / "pool" / "003.jpg").write_bytes((pool.folder / "pool" / "004.jpg").read_bytes())
    with pytest.raises(DataError, match=r"pool/003\.jpg: its bytes are not those of the manifest"):
        embed(pool)


class Slow:
    """Garbage that takes a while to collect, in which another thread has its turn."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        time.sleep(1e-4)


def test_threads_read_shards_side_by_side(pool) -> None:
    embed(pool)
    names = shard_names(pool.store, COPY.digest) * 100

    def read(name: str) -> int:
        Slow()
        return len(read_shard(pool.store, name))

    often = gc.get_threshold()
    gc.set_threshold(20)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(read, names)) == 14 * 100
    finally:
        gc.set_threshold(*often)


def test_nothing_is_left_in_scratch(pool) -> None:
    embed(pool)
    assert list((pool.folder / "scratch").iterdir()) == []
