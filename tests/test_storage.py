import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from dinov2 import storage
from dinov2.storage import Store, atomic_path, digest, file_sha256, retried, write_json


def interrupt(path: Path) -> None:
    with atomic_path(path) as draft:
        draft.write_text("half")
        raise RuntimeError


def test_a_file_that_was_being_written_is_not_there_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with pytest.raises(RuntimeError):
        interrupt(path)
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        interrupt(path)
    assert path.read_text() == "old"


def test_equal_content_gives_equal_bytes_in_any_order(tmp_path: Path) -> None:
    write_json(tmp_path / "one", {"b": 1, "a": {"d": "é", "c": 2.5}})
    write_json(tmp_path / "other", {"a": {"c": 2.5, "d": "é"}, "b": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1}) != digest({"a": 2, "b": 2})


def test_json_refuses_numbers_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"loss": float("nan")})
    assert not (tmp_path / "file").exists()


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("url", ["folder", "memory://bucket/prefix"])
def test_a_store_keeps_blobs_by_name(url: str, tmp_path: Path) -> None:
    store = Store(url, tmp_path)
    store.write("a/one", b"1")
    store.write("a/b/two", b"2")
    store.write("a/one", b"changed")
    assert store.read("a/one") == b"changed"
    assert store.list("a") == ["a/b/two", "a/one"]
    assert store.list("none") == []
    with fsspec.open(store.url_of("a/b/two"), "rb") as file:
        assert file.read() == b"2"
    store.delete("a/b")
    assert not store.exists("a/b/two")
    store.delete("a/b")
    with pytest.raises(FileNotFoundError):
        store.read("a/b/two")


def test_a_checked_blob_is_whole_or_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store("folder", tmp_path)
    assert store.read_checked("a/one") is None
    assert store.write_checked("a/one", b"abc") == file_sha256(tmp_path / "folder" / "a" / "one")
    assert store.read_checked("a/one") == b"abc"
    store.write("a/one.sha256", b"\xff")
    assert store.read_checked("a/one") is None
    assert capsys.readouterr().err == f"{store.url_of('a/one')}: damaged (its checksum differs); made again\n"
    store.delete("a/one.sha256")
    assert store.read_checked("a/one") is None
    assert capsys.readouterr().err == ""


def test_a_passing_fault_is_tried_again_and_a_lasting_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(storage.time, "sleep", waits.append)
    faults = [ConnectionError(), TimeoutError()]

    def now_and_then() -> str:
        if faults:
            raise faults.pop()
        return "there"

    assert retried(now_and_then) == "there"
    assert waits == [0.5, 1.0]

    def never() -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        retried(never)


def test_what_is_missing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.time, "sleep", lambda _: pytest.fail("waited"))
    with pytest.raises(FileNotFoundError):
        retried(lambda: os.stat("/no/such/file"))  # noqa: PTH116 - any call that raises it


def test_threads_that_write_the_same_file_leave_it_whole(tmp_path: Path) -> None:
    store, contents = Store(str(tmp_path)), [bytes([number]) * 50_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for written in [pool.submit(store.write, "blob", contents[number % 8]) for number in range(200)]:
            written.result()
    assert store.read("blob") in contents
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]
