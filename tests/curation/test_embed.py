"""Vectors in shards: what is computed, what is kept, and what is read back."""

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dinov2.curation.config import GistConfig, HashConfig
from dinov2.curation.descriptors import create_descriptor
from dinov2.curation.embed import INDEX, Embedder
from dinov2.curation.vectors import read_vectors
from dinov2.data.images import decode_rgb
from dinov2.errors import DataError

DESCRIPTORS = {
    "copy": create_descriptor(HashConfig(), Path()),
    "retrieval": create_descriptor(GistConfig(), Path()),
}


@pytest.fixture
def pool(make_pool: Callable, picture: Callable):
    return make_pool([picture(seed) for seed in range(11)], [picture(seed) for seed in range(20, 23)])


def embed(pool, manifest: pa.Table | None = None, size: int = 4, threads: int = 2) -> pa.Table:
    embedder = Embedder(pool.reader, pool.store, size, threads)
    return pa.concat_tables(embedder(pool.manifest if manifest is None else manifest, DESCRIPTORS))


def vectors(pool, index: pa.Table, keys: Sequence[str] | None = None) -> list[np.ndarray]:
    wanted = pool.manifest["key"] if keys is None else pa.chunked_array([keys])
    return [read_vectors(index, name, wanted, pool.store) for name in DESCRIPTORS]


def blobs(pool) -> list[str]:
    return [name for name in pool.store.list("embeddings") if name.endswith(".npy")]


def test_every_image_has_its_vectors(pool) -> None:
    index = embed(pool)
    assert index.schema == INDEX
    images = [decode_rgb(pool.reader.read(r["source"], r["uri"])) for r in pool.manifest.to_pylist()]
    for descriptor, found in zip(DESCRIPTORS.values(), vectors(pool, index), strict=True):
        np.testing.assert_array_equal(found, descriptor.embed(images).astype(np.float16))


def test_the_index_says_where_each_vector_lies(pool) -> None:
    for entry in embed(pool).to_pylist():
        data = pool.store.read(entry["shard"])
        assert hashlib.sha256(data).hexdigest() == entry["checksum"]
        assert entry["row"] < len(np.load(io.BytesIO(data), allow_pickle=False))


def test_vectors_are_read_in_the_order_asked_for(pool) -> None:
    index, keys = embed(pool), pool.manifest["key"].to_pylist()
    chosen = [keys[n] for n in (9, 2, 13, 0)]
    for whole, some in zip(vectors(pool, index), vectors(pool, index, chosen), strict=True):
        np.testing.assert_array_equal(whole[[9, 2, 13, 0]], some)


def test_what_is_there_is_not_computed_again(pool) -> None:
    index = embed(pool)
    for path in pool.folder.glob("*/*.jpg"):
        path.unlink()
    assert embed(pool).equals(index)


def test_an_interrupted_run_goes_on_after_its_last_whole_shard(pool) -> None:
    index = embed(pool)
    finished, *rest = blobs(pool)
    for name in rest:
        pool.store.delete(f"{name}.sha256")
    written = {name: Path(pool.store.path(name)).stat().st_mtime_ns for name in blobs(pool)}
    assert embed(pool).equals(index)
    again = {name for name in blobs(pool) if Path(pool.store.path(name)).stat().st_mtime_ns != written[name]}
    assert again == set(rest)
    assert finished not in again


@pytest.mark.parametrize("suffix", ["", ".sha256"])
def test_a_damaged_shard_is_made_again_and_said_to_be(pool, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    index = embed(pool)
    damaged = blobs(pool)[1]
    pool.store.write(damaged + suffix, b"\xff" + pool.store.read(damaged + suffix)[1:])
    capsys.readouterr()
    assert embed(pool).equals(index)
    lines = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    assert len(lines) == 1
    assert damaged in lines[0]


def test_order_of_rows_and_number_of_threads_change_nothing(pool) -> None:
    index = embed(pool, threads=1)
    pool.store.delete("embeddings")
    shuffled = pool.manifest.take(pa.array(np.random.default_rng(0).permutation(pool.manifest.num_rows)))
    assert embed(pool, shuffled, threads=4).equals(index)


def test_size_of_shards_changes_no_vector(pool) -> None:
    for one, other in zip(vectors(pool, embed(pool)), vectors(pool, embed(pool, size=1000)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_source_leaves_the_shards_of_the_first_alone(pool) -> None:
    first = pool.manifest.filter(pa.compute.equal(pool.manifest["source"], "pool"))
    embed(pool, first)
    before = set(blobs(pool))
    embed(pool)
    assert before < set(blobs(pool))
    assert len(set(blobs(pool)) - before) == len(DESCRIPTORS)


def test_an_image_that_changed_since_ingest_is_named(pool) -> None:
    (pool.folder / "pool" / "003.jpg").write_bytes((pool.folder / "pool" / "004.jpg").read_bytes())
    with pytest.raises(DataError, match=r"pool/003\.jpg: its bytes are not those of the manifest"):
        embed(pool)


def test_reading_names_the_image_without_a_vector(pool) -> None:
    with pytest.raises(DataError, match=r"no copy vector of pool/none\.jpg"):
        vectors(pool, embed(pool), ["pool/000.jpg", "pool/none.jpg"])


def test_reading_refuses_damaged_and_missing_shards(pool) -> None:
    index = embed(pool)
    name = index["shard"][0].as_py()
    pool.store.write(name, pool.store.read(name)[:-1] + b"\x00\x01")
    with pytest.raises(DataError, match=f"{name}: damaged"):
        vectors(pool, index)
    pool.store.delete(name)
    with pytest.raises(DataError, match=f"{name}: missing"):
        vectors(pool, index)
