import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from dinov2.errors import ConfigError, DataError, UserError
from dinov2.storage import Store, file_sha256

URLS = ("folder", "memory://bucket/prefix")


@pytest.mark.parametrize("url", URLS)
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


def test_threads_that_write_the_same_file_leave_it_whole(tmp_path: Path) -> None:
    store, contents = Store(str(tmp_path)), [bytes([number]) * 50_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for written in [pool.submit(store.write, "blob", contents[number % 8]) for number in range(200)]:
            written.result()
    assert store.read("blob") in contents
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


@pytest.mark.parametrize("url", URLS)
def test_a_file_goes_to_the_store_and_comes_back_the_same(url: str, tmp_path: Path) -> None:
    store, content = Store(url, tmp_path), os.urandom(100_000)
    (tmp_path / "file").write_bytes(content)
    checksum = store.upload(tmp_path / "file", "blobs/one")
    assert checksum == file_sha256(tmp_path / "file")
    assert store.read("blobs/one") == content
    store.download("blobs/one", tmp_path / "back" / "file", checksum)
    assert (tmp_path / "back" / "file").read_bytes() == content
    with pytest.raises(FileNotFoundError):
        store.download("blobs/none", tmp_path / "none", checksum)


@pytest.mark.parametrize("url", URLS)
def test_damaged_content_replaces_no_file(url: str, tmp_path: Path) -> None:
    store = Store(url, tmp_path)
    (tmp_path / "file").write_bytes(b"old")
    checksum = store.upload(tmp_path / "file", "one")
    store.write("one", b"odd")
    with pytest.raises(DataError, match=rf"/one: damaged: its SHA-256 is [0-9a-f]+ where {checksum} was written"):
        store.download("one", tmp_path / "file", checksum)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert not list(tmp_path.glob(".*.part"))


def test_content_that_was_damaged_on_its_way_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, usual, calls = Store("memory://bucket/way"), MemoryFileSystem.get_file, []

    def once_damaged(self: Any, path: str, to: str, **told: Any) -> None:
        usual(self, path, to, **told)
        if not calls:
            Path(to).write_bytes(b"damaged")
        calls.append(path)

    monkeypatch.setattr(MemoryFileSystem, "get_file", once_damaged)
    (tmp_path / "file").write_bytes(b"content")
    store.download("one", tmp_path / "back", store.upload(tmp_path / "file", "one"))
    assert (tmp_path / "back").read_bytes() == b"content"
    assert len(calls) == 2


def test_a_store_that_is_full_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError) as told:
        Store("folder", tmp_path).write("a/one", b"1")
    assert str(told.value) == f"{tmp_path}/folder/a/one: the store is full (No space left on device)"


def test_a_store_that_is_no_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    with pytest.raises(UserError, match=r"folder/a/one: (Not a directory|File exists)$"):
        Store("folder", tmp_path).write("a/one", b"1")


@pytest.mark.parametrize("url", ["s3://key:hunter2@bucket/prefix", "memory://key:hunter2@bucket"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="its URL has a user or password; credentials belong into") as told:
        Store(url)
    assert "hunter2" not in str(told.value)
