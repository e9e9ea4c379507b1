"""Shards of training images: what is in them, that they resume, and that training reads the same bytes from them."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.data.config import SourceConfig
from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.data.pack import PACKED, PackConfig, Packer, packed_source
from dinov2.data.sources import ImageReader
from dinov2.data.tables import database, write_stream
from dinov2.errors import DataError
from dinov2.storage import Store


class Pool:
    """Files of random bytes behind a JPEG's first ones, and their manifest."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.store = folder, Store(str(folder / "store"))
        random, rows = np.random.default_rng(0), []
        (folder / "pool").mkdir()
        for number in range(count):
            data = _jpeg(random, int(random.integers(50, 90)))
            (folder / "pool" / f"{number:03}.jpg").write_bytes(data)
            place = {"key": f"pool/{number:03}.jpg", "uri": f"{number:03}.jpg", "source": "pool", "role": "pool"}
            facts = {"sha256": hashlib.sha256(data).hexdigest(), "width": 8, "height": 8, "bytes": len(data)}
            rows.append(place | facts | {"split": "train", "label": "a ä" if number % 2 else None})
        self.manifest = pa.Table.from_pylist(rows, schema=SCHEMA)
        write_manifest(folder / "curated.parquet", self.manifest)
        self.reader = ImageReader([SourceConfig(name="pool", uri="pool", role="pool")], self.store, folder)

    def pack(self, config: PackConfig, index: int = 0, indexes: int = 1) -> pa.Table:
        packer = Packer(self.reader, self.store, config, threads=2)
        with database(self.folder / "scratch", 1, 1) as connection:
            packer.plan(connection, self.folder / "curated.parquet")
            packer.write(connection, index, indexes)
            write_stream(self.folder / "packed.parquet", packer.table(connection), PACKED)
        return pq.read_table(self.folder / "packed.parquet")


def _jpeg(random: np.random.Generator, kib: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 255, (8, 8, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue() + random.bytes(kib * 1024)


CONFIG = PackConfig(shard_mib=1)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path, 40)


def test_every_image_is_read_back_from_its_shard(pool: Pool) -> None:
    packed = pool.pack(CONFIG)
    reader = ImageReader([packed_source(pool.store)], pool.store, pool.folder)
    assert packed["key"].to_pylist() == pool.manifest["key"].to_pylist()
    for row in packed.to_pylist():
        assert hashlib.sha256(reader.read(row["source"], row["uri"])).hexdigest() == row["sha256"]
    same = [name for name in SCHEMA.names if name not in ("uri", "source")]
    assert packed.select(same).equals(pool.manifest.select(same))


def test_shards_have_the_size_asked_for_and_their_checksums(pool: Pool) -> None:
    packed = pool.pack(CONFIG)
    shards = packed.group_by(["shard", "shard_sha256"]).aggregate([("bytes", "sum")]).to_pylist()
    assert len(shards) == -(-sum(packed["bytes"].to_pylist()) // 2**20)
    for shard in shards:
        assert shard["bytes_sum"] < 1.1 * 2**20
        data = pool.store.read(f"shards/{shard['shard']}")
        assert hashlib.sha256(data).hexdigest() == shard["shard_sha256"]


def test_images_stand_in_an_order_that_the_seed_decides(pool: Pool) -> None:
    def order(packed: pa.Table) -> list[str]:
        rows = packed.to_pylist()
        by_shard = sorted(rows, key=lambda row: (row["shard"], int(row["uri"].split("#")[1].split("+")[0])))
        return [row["key"] for row in by_shard]

    first, again, other = (order(pool.pack(PackConfig(shard_mib=1, seed=seed))) for seed in (0, 0, 1))
    assert first == again != other
    assert first != sorted(first)


def test_tar_says_what_each_image_is(pool: Pool) -> None:
    packed = {row["sha256"]: row for row in pool.pack(CONFIG).to_pylist()}
    name = next(iter(packed.values()))["shard"]
    with tarfile.open(fileobj=io.BytesIO(pool.store.read(f"shards/{name}"))) as archive:
        members = archive.getnames()
        for told in members[1::2]:
            file = archive.extractfile(told)
            assert file is not None
            row, content = packed[told.removesuffix(".json")], file.read().decode()
            assert f'"key": "{row["key"]}"' in content
            assert ('"label": "a ä"' in content) == (row["label"] is not None)
    assert all(image == told.replace(".json", ".jpg") for image, told in zip(members[::2], members[1::2], strict=True))


def test_indexes_of_a_job_share_the_work_and_leave_the_same(pool: Pool) -> None:
    parts = [pool.pack(CONFIG, index, 2) for index in range(2)]
    assert 0 < parts[0].num_rows < 40
    assert parts[0].num_rows + parts[1].num_rows == 40
    for path in (pool.folder / "pool").iterdir():
        path.unlink()
    assert pool.pack(CONFIG).sort_by("key").equals(pa.concat_tables(parts).sort_by("key"))


@pytest.mark.parametrize("suffix", [".tar", ".parquet", ".tar.sha256"])
def test_a_damaged_shard_is_made_again(pool: Pool, suffix: str) -> None:
    before = pool.pack(CONFIG)
    names = [name for name in pool.store.list("shards") if name.endswith(suffix)]
    data = pool.store.read(names[0])
    pool.store.write(names[0], bytes([data[0] ^ 1]) + data[1:])
    assert pool.pack(CONFIG).equals(before)
    assert pool.store.read(names[0]) == data


def test_what_was_packed_is_not_read_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.pack(CONFIG)
    read: list[str] = []
    monkeypatch.setattr(pool.reader, "read", lambda _, uri: read.append(uri))
    pool.pack(CONFIG)
    assert not read


def test_a_source_that_changed_is_named_and_nothing_is_written(pool: Pool) -> None:
    (pool.folder / "pool" / "007.jpg").write_bytes(b"other")
    with pytest.raises(DataError, match=r"pool/007\.jpg: its bytes are not those of the manifest"):
        pool.pack(CONFIG)
    assert not (pool.folder / "packed.parquet").exists()


def test_what_is_said_of_an_image_is_never_an_old_shards(pool: Pool) -> None:
    before = pool.pack(CONFIG)
    labels = pa.array(["new"] * 40, pa.string())
    place = SCHEMA.get_field_index("label")
    write_manifest(pool.folder / "curated.parquet", pool.manifest.set_column(place, SCHEMA.field(place), labels))
    shards = set(pool.pack(CONFIG)["shard"].to_pylist())
    assert not shards & set(before["shard"].to_pylist())
    assert all(b'"label": "new"' in pool.store.read(f"shards/{name}") for name in shards)
