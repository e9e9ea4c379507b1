"""Vectors gathered from shards into a local file, against the shards read one by one."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.curation import spool as module
from dinov2.curation.shards import read_shard, shard_names, write_shard
from dinov2.curation.spool import spool
from dinov2.curation.workplace import Described
from dinov2.errors import DataError
from dinov2.storage import Store

DIM = 5


def sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def vectors(numbers: Sequence[int]) -> np.ndarray:
    return np.stack([np.random.default_rng(number).standard_normal(DIM).astype(np.float16) for number in numbers])


def fill(store: Store, numbers: Sequence[int], size: int) -> None:
    """Shards of `size` images, in the order given."""
    for start in range(0, len(numbers), size):
        part = numbers[start : start + size]
        write_shard(store, "d", [sha256(number) for number in part], vectors(part))


def manifest(folder: Path, numbers: Sequence[int]) -> Path:
    """Keys are the numbers; images of even ones are the pool."""
    path = folder / "manifest.parquet"
    roles = ["curated" if number % 2 else "pool" for number in numbers]
    columns = {"key": [str(number) for number in numbers], "sha256": [sha256(n) for n in numbers], "role": roles}
    pq.write_table(pa.table(columns), path)
    return path


def content(found: Described) -> tuple[bytes, bytes]:
    return found.images.read_bytes(), found.images.with_name("vectors.f16").read_bytes()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_rows_are_the_vectors_of_distinct_images_in_order_of_sha256(store: Store, tmp_path: Path) -> None:
    fill(store, range(100), 7)
    wanted = [*range(90, 10, -1), *range(30, 50)]
    found = spool("d", DIM, manifest(tmp_path, wanted), store, tmp_path / "scratch")
    ordered = sorted(set(wanted), key=sha256)
    images = pq.read_table(found.images)
    assert images["sha256"].to_pylist() == [sha256(number) for number in ordered]
    assert images["row"].to_pylist() == list(range(len(ordered)))
    np.testing.assert_array_equal(found.vectors.read(0, len(ordered)), vectors(ordered))
    assert (found.vectors.count, found.vectors.dim) == (80, DIM)


def test_more_rows_than_a_batch_of_duckdb(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinov2.data.tables.BATCH", 64)
    numbers = range(7000)
    values = np.random.default_rng(0).standard_normal((len(numbers), DIM)).astype(np.float16)
    for part in np.array_split(np.random.default_rng(1).permutation(len(numbers)), 3):
        write_shard(store, "d", [sha256(number) for number in part], values[part])
    reads: list[str] = []
    monkeypatch.setattr(module, "read_shard", lambda store, name: reads.append(name) or read_shard(store, name))
    found = spool("d", DIM, manifest(tmp_path, numbers), store, tmp_path / "scratch")
    np.testing.assert_array_equal(found.vectors.read(0, len(numbers)), values[sorted(numbers, key=sha256)])
    assert sorted(reads) == shard_names(store, "d")


def test_order_of_the_manifest_and_shards_change_no_byte(store: Store, tmp_path: Path) -> None:
    fill(store, range(60), 60)
    one = spool("d", DIM, manifest(tmp_path, range(50)), store, tmp_path / "one")
    store.delete("embeddings")
    fill(store, np.random.default_rng(0).permutation(60).tolist(), 4)
    # Some images are in two shards.
    fill(store, range(20, 40), 3)
    shuffled = np.random.default_rng(1).permutation(50).tolist()
    other = spool("d", DIM, manifest(tmp_path, shuffled), store, tmp_path / "other", threads=3)
    assert content(one) == content(other)
    assert one.digest == other.digest


def test_only_rows_that_are_asked_for_are_gathered(store: Store, tmp_path: Path) -> None:
    fill(store, range(0, 30, 2), 4)
    found = spool("d", DIM, manifest(tmp_path, range(30)), store, tmp_path / "scratch", "role = 'pool'")
    ordered = sorted(range(0, 30, 2), key=sha256)
    np.testing.assert_array_equal(found.vectors.read(0, 15), vectors(ordered))


def test_no_images_are_no_vectors(store: Store, tmp_path: Path) -> None:
    found = spool("d", DIM, manifest(tmp_path, range(3)), store, tmp_path / "scratch", "role = 'evaluation'")
    assert found.vectors.read(0, 1).shape == (0, DIM)
    assert pq.read_table(found.images).num_rows == 0


def test_a_finished_file_is_used_again_and_a_removed_one_made_again(store: Store, tmp_path: Path) -> None:
    fill(store, range(20), 4)
    wanted, scratch = manifest(tmp_path, range(20)), tmp_path / "scratch"
    first = spool("d", DIM, wanted, store, scratch)
    before = content(first)
    shards = {name: store.read(name) for name in store.list("embeddings")}
    store.delete("embeddings")
    assert content(spool("d", DIM, wanted, store, scratch)) == before
    shutil.rmtree(first.images.parent)
    with pytest.raises(DataError, match="no vector"):
        spool("d", DIM, wanted, store, scratch)
    for name, data in shards.items():
        store.write(name, data)
    assert content(spool("d", DIM, wanted, store, scratch)) == before


def test_what_a_killed_process_left_is_not_used(store: Store, tmp_path: Path) -> None:
    fill(store, range(20), 4)
    wanted, scratch = manifest(tmp_path, range(20)), tmp_path / "scratch"
    killed = get_context("fork").Process(target=_killed_while_gathering, args=(wanted, store, scratch))
    killed.start()
    killed.join()
    assert killed.exitcode == 9
    (left,) = scratch.glob("vectors/*/.vectors.f16.*.part")
    found = spool("d", DIM, wanted, store, scratch)
    assert not left.exists()
    np.testing.assert_array_equal(found.vectors.read(0, 20), vectors(sorted(range(20), key=sha256)))


def _killed_while_gathering(wanted: Path, store: Store, scratch: Path) -> None:
    module.read_shard = lambda *_: os._exit(9)
    spool("d", DIM, wanted, store, scratch)


def test_other_images_and_descriptors_have_other_files(store: Store, tmp_path: Path) -> None:
    fill(store, range(20), 4)
    write_shard(store, "e", [sha256(number) for number in range(20)], vectors(range(20, 40)))
    scratch = tmp_path / "scratch"
    wanted = [("d", range(20)), ("d", range(19)), ("e", range(20))]
    found = [spool(name, DIM, manifest(tmp_path, numbers), store, scratch) for name, numbers in wanted]
    assert len({each.digest for each in found}) == len({each.images for each in found}) == 3
    assert not np.array_equal(found[0].vectors.read(0, 20), found[2].vectors.read(0, 20))


def test_an_image_without_a_vector_is_named_with_the_remedy(store: Store, tmp_path: Path) -> None:
    fill(store, range(5), 4)
    with pytest.raises(DataError, match=r"^7: no vector of descriptor d in .*; run `dvc repro -f embed`$"):
        spool("d", DIM, manifest(tmp_path, [1, 7, 2, 8]), store, tmp_path / "scratch")
    assert not list((tmp_path / "scratch").glob("vectors/*/vectors.f16"))


@pytest.mark.parametrize("suffix", [".npy", ".npy.sha256", ".parquet", ".parquet.sha256"])
@pytest.mark.parametrize("missing", [False, True])
def test_a_damaged_or_missing_shard_is_named_with_the_remedy(
    suffix: str, missing: bool, store: Store, tmp_path: Path
) -> None:
    fill(store, range(8), 4)
    name = shard_names(store, "d")[1]
    if missing:
        store.delete(name + suffix)
    else:
        store.write(name + suffix, store.read(name + suffix)[:-1] + b"!")
    with pytest.raises(DataError, match=r"run `dvc repro -f embed`") as caught:
        spool("d", DIM, manifest(tmp_path, range(8)), store, tmp_path / "scratch")
    # Without its index nobody knows that there was a shard.
    assert (store.url_of(name) in str(caught.value)) == ((suffix, missing) != (".parquet", True))
    assert not list((tmp_path / "scratch").glob("vectors/*/*vectors.f16*"))


def test_a_damaged_shard_of_other_images_is_nobodys_concern(store: Store, tmp_path: Path) -> None:
    fill(store, range(8), 4)
    fill(store, range(8, 12), 4)
    for name in shard_names(store, "d"):
        if store.read(f"{name}.npy")[-10:] == vectors([11]).tobytes():
            store.write(f"{name}.npy", b"")
    found = spool("d", DIM, manifest(tmp_path, range(8)), store, tmp_path / "scratch")
    np.testing.assert_array_equal(found.vectors.read(0, 8), vectors(sorted(range(8), key=sha256)))
