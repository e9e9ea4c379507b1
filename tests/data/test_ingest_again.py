import errno
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dinov2.data import look
from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.folder import FolderSource
from dinov2.data.ingest import fill as look_ahead
from dinov2.data.looked import Looked
from dinov2.storage import Store
from tests.data.ingesting import Numbered, fill, take_in

FILES = ("manifest.parquet", "rejects.parquet")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of a folder was read."""
    found: Counter[str] = Counter()
    read = FolderSource.read

    def counted(self: FolderSource, uri: str) -> bytes:
        found[uri] += 1
        return read(self, uri)

    monkeypatch.setattr(FolderSource, "read", counted)
    return found


def test_nothing_is_looked_at_twice_and_a_grown_pool_costs_what_is_new(
    pool: Path, reads: Counter[str], numbered: Numbered
) -> None:
    take_in(pool)
    assert set(reads.values()) == {1}
    first = sum(reads.values())
    fill(pool / "pool", {"0/000.jpg": numbered(200), **{f"8/{n}.jpg": numbered(300 + n) for n in range(5)}})
    (pool / "pool" / "1" / "001.jpg").unlink()
    reads.clear()
    take_in(pool)
    assert reads == dict.fromkeys(["0/000.jpg", *(f"8/{n}.jpg" for n in range(5))], 1)
    assert first == 105
    grown = [(pool / name).read_bytes() for name in FILES]
    reads.clear()
    take_in(pool, store="another")
    assert len(reads) == 109
    assert [(pool / name).read_bytes() for name in FILES] == grown, "history shows"


def test_indexes_of_a_job_share_the_files_and_leave_none_to_look_at(pool: Path, reads: Counter[str]) -> None:
    take_in(pool, store="alone")
    alone = [(pool / name).read_bytes() for name in FILES]
    reads.clear()
    config = IngestConfig(sources=(SourceConfig(name="web", uri="pool", role="pool"),))
    shares = []
    for index in range(3):
        look_ahead(config, Store("shared", pool), pool, pool / "scratch", index, 3)
        shares.append(sum(reads.values()))
    assert 0 < shares[0] < shares[1] < shares[2] == 105
    take_in(pool, store="shared")
    assert set(reads.values()) == {1}
    assert [(pool / name).read_bytes() for name in FILES] == alone


def test_an_interrupted_ingest_reads_only_the_rest(
    pool: Path, reads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "KEEP_FILES", 16)
    monkeypatch.setattr(look, "CHUNK", 8)
    monkeypatch.setattr(look, "AHEAD", 1)
    keep = Looked.keep

    def dying(self: Looked, rows: Any) -> None:
        keep(self, rows)
        if len(reads) > 50:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Looked, "keep", dying)
        with pytest.raises(KeyboardInterrupt):
            take_in(pool)
    assert not (pool / "manifest.parquet").exists()
    assert list((pool / "scratch").iterdir()) == []
    kept = Store("store", pool).list("ingest")
    done = sum(pq.read_metadata(pool / "store" / name).num_rows for name in kept if name.endswith(".parquet"))
    assert done >= 32
    reads.clear()
    take_in(pool)
    assert sum(reads.values()) == 105 - done
    resumed = [(pool / name).read_bytes() for name in FILES]
    take_in(pool, store="another")
    assert [(pool / name).read_bytes() for name in FILES] == resumed


def test_what_was_kept_and_is_damaged_is_looked_at_again(
    pool: Path, reads: Counter[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(look, "KEEP_FILES", 32)
    expected = take_in(pool)
    blobs = list((pool / "store" / "ingest").rglob("*.parquet"))
    rows = pq.read_metadata(blobs[0]).num_rows
    blobs[0].write_bytes(blobs[0].read_bytes()[:-1])
    for _ in range(2):
        reads.clear()
        found = take_in(pool)
        assert found.manifest.equals(expected.manifest)
        assert len(reads) == rows
        rows = 0
    assert capsys.readouterr().err.count("damaged") == 1


def test_other_bounds_are_another_look(tmp_path: Path, reads: Counter[str], numbered: Numbered) -> None:
    fill(tmp_path / "pool", {"a.jpg": numbered(0)})
    take_in(tmp_path)
    take_in(tmp_path, min_side=33)
    assert reads == {"a.jpg": 2}


def test_a_file_that_could_not_be_read_for_now_is_tried_again(
    tmp_path: Path, numbered: Numbered, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "pool", {"a.jpg": numbered(0), "b.jpg": numbered(1)})
    read = FolderSource.read

    def failing(self: FolderSource, uri: str) -> bytes:
        if uri == "a.jpg":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read(self, uri)

    with monkeypatch.context() as patch:
        patch.setattr(FolderSource, "read", failing)
        assert take_in(tmp_path).rejects["detail"].to_pylist() == ["cannot be read: Permission denied"]
    assert take_in(tmp_path).manifest["key"].to_pylist() == ["web/a.jpg", "web/b.jpg"]
