import os
import unicodedata
from pathlib import Path
from typing import Any

import fsspec
import pytest

from dinov2.data.config import SourceConfig
from dinov2.data.entries import Entry
from dinov2.data.folder import FolderSource
from dinov2.errors import DataError
from dinov2.storage import Store


def source(uri: str, root: Path) -> FolderSource:
    return FolderSource(SourceConfig(name="web", uri=uri, role="pool"), Store("store", root), root)


def listed(root: Path, *files: str) -> dict[str, Entry]:
    """Entries of a folder with these files, by path."""
    for file in files:
        (root / "images" / file).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / file).write_bytes(file.encode())
    return {entry.path: entry for entry in source("images", root).entries()}


def test_every_file_below_is_an_entry_and_can_be_read(tmp_path: Path) -> None:
    names = ("a.jpg", "deep/er/b.PNG", "with space and ü 写真.jpeg", "no suffix", "a#b%20c[1]*?.jpg")
    found = listed(tmp_path, *names)
    assert set(found) == set(names)
    assert {source("images", tmp_path).read(entry.uri) for entry in found.values()} == {n.encode() for n in names}
    assert {entry.size for entry in found.values()} == {len(name.encode()) for name in names}


def test_lists_texts_and_hidden_files_are_no_candidates(tmp_path: Path) -> None:
    beside = ("README.md", "labels.csv", "a.TXT", "a.json", ".DS_Store", ".thumbnails/a.jpg", "c/._a.jpg", "images.dvc")
    assert set(listed(tmp_path, "a.jpg", *beside)) == {"a.jpg"}


def test_folders_are_told_for_labels_and_times_for_changes(tmp_path: Path) -> None:
    before = listed(tmp_path, "cat/a.jpg", "b.jpg")
    assert {path: entry.folders for path, entry in before.items()} == {"cat/a.jpg": "cat/a.jpg", "b.jpg": "b.jpg"}
    assert {entry.label for entry in before.values()} == {None}
    (tmp_path / "images" / "c.jpg").symlink_to(tmp_path / "images" / "b.jpg")
    first = listed(tmp_path)
    os.utime(tmp_path / "images" / "b.jpg", ns=(1, 1))
    after = listed(tmp_path)
    changed = {path for path in after if after[path].version != first[path].version}
    assert changed == {"b.jpg", "c.jpg"}, "what a link leads to has changed, and so has the link"
    assert after["b.jpg"].version == "1"


def test_absolute_paths_links_and_relative_paths_lead_to_the_same(tmp_path: Path) -> None:
    listed(tmp_path, "a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "images")
    (tmp_path / "images" / "b.jpg").symlink_to(tmp_path / "images" / "a.jpg")
    for uri in ("images", "images/", "./images", "link", str(tmp_path / "images"), f"file://{tmp_path}/images"):
        assert sorted(entry.path for entry in source(uri, tmp_path).entries()) == ["a.jpg", "b.jpg"]
        assert source(uri, tmp_path).read("b.jpg") == b"a.jpg"


def test_a_prefix_of_another_file_system_is_a_folder_too(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("cat/a.jpg", "dog/b.jpg", "README.md"):
        memory.pipe_file(f"/photographs/prefix/{name}", name.encode())
    bucket = source("memory://photographs/prefix", tmp_path)
    found = sorted(bucket.entries(), key=lambda entry: entry.path)
    assert [(e.path, bucket.read(e.uri)) for e in found] == [("cat/a.jpg", b"cat/a.jpg"), ("dog/b.jpg", b"dog/b.jpg")]
    assert all(entry.version for entry in found)
    before = bucket.listing_digest()
    memory.pipe_file("/photographs/prefix/cat/c.jpg", b"1")
    assert bucket.listing_digest() != before


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="source web: none does not exist; a source is a folder"):
        list(source("none", tmp_path).entries())
    (tmp_path / "images.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"source web: images.zip is a file; a source is a folder"):
        source("images.zip", tmp_path).listing_digest()
    with pytest.raises(DataError, match=r"nowhere://bucket: .*nowhere"):
        source("nowhere://bucket", tmp_path)


def test_the_listing_digest_follows_names_and_sizes_of_images_alone(tmp_path: Path) -> None:
    listed(tmp_path, "a.jpg", "b.jpg")
    first = source("images", tmp_path).listing_digest()
    (tmp_path / "images" / "notes.txt").write_text("nothing")
    os.utime(tmp_path / "images" / "a.jpg", (1, 1))
    assert source("images", tmp_path).listing_digest() == first
    (tmp_path / "images" / "a.jpg").write_bytes(b"longer than before")
    second = source("images", tmp_path).listing_digest()
    (tmp_path / "images" / "b.jpg").rename(tmp_path / "images" / "c.jpg")
    assert len({first, second, source("images", tmp_path).listing_digest()}) == 3


def test_a_name_in_another_unicode_form_can_be_read(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "é.jpg")
    (entry,) = listed(tmp_path, name).values()
    assert source("images", tmp_path).read(entry.uri) == name.encode()


def test_what_is_no_file_is_a_fault_and_links_to_folders_lead_nowhere(tmp_path: Path) -> None:
    listed(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "images" / "pipe.jpg")
    (tmp_path / "images" / "round").symlink_to(tmp_path / "images")
    found = listed(tmp_path)
    assert {path for path, entry in found.items() if "no regular file" in entry.fault} == {"pipe.jpg", "round"}
    assert set(found) == {"a.jpg", "pipe.jpg", "round"}


def test_a_folder_below_that_cannot_be_listed_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if str(path).endswith(("secret", ".hidden")):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert set(listed(tmp_path, "a.jpg", ".hidden/b.jpg")) == {"a.jpg"}
    with pytest.raises(PermissionError):
        listed(tmp_path, "b/secret/c.jpg")
