import io
import os
import tarfile
from pathlib import Path

import fsspec
import pytest

from dinov2.data.config import SourceConfig
from dinov2.data.tar import TarSource
from dinov2.errors import DataError
from dinov2.storage import Store


def archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def source(uri: str, root: Path) -> TarSource:
    return TarSource(SourceConfig(name="web", uri=uri, role="pool"), Store("store", root), root)


def shards(folder: Path, count: int = 3) -> None:
    for shard in range(count):
        images = {f"{shard}{n}.jpg": f"image {shard} {n}".encode() for n in range(4)}
        classes = {f"{shard}{n}.cls": str(n).encode() for n in range(4)}
        (folder / f"shard-{shard:03}.tar").write_bytes(archive(dict(sorted({**images, **classes}.items()))))


@pytest.mark.parametrize("uri", ["shard-{000..002}.tar", "shard-*.tar", "shard-00?.tar", "shard-00[0-2].tar"])
def test_members_of_webdataset_shards_are_read_in_place_with_their_classes(uri: str, tmp_path: Path) -> None:
    shards(tmp_path)
    tar = source(uri, tmp_path)
    found = {entry.path: (entry.label, tar.read(entry.uri)) for entry in tar.entries()}
    assert found == {
        f"shard-{s:03}.tar/{s}{n}.jpg": (str(n), f"image {s} {n}".encode()) for s in range(3) for n in range(4)
    }
    first = next(iter(tar.entries()))
    assert first.uri.startswith("shard-000.tar::00.jpg#")


def test_a_range_without_all_its_shards_is_an_error(tmp_path: Path) -> None:
    shards(tmp_path)
    with pytest.raises(DataError, match=r"source web: shard-\{000\.\.003\}\.tar: there is no .*shard-003\.tar"):
        list(source("shard-{000..003}.tar", tmp_path).entries())
    with pytest.raises(DataError, match="there is no"):
        source("none/*.tar", tmp_path).listing_digest()


def test_labels_in_json_members(tmp_path: Path) -> None:
    members = {"a.jpg": b"1", "a.json": b'{"label": "cat"}', "b.jpg": b"2", "b.json": b"{broken", "c.jpg": b"3"}
    (tmp_path / "a.tar").write_bytes(archive({**members, "c.json": b'{"label": 7, "caption": "x"}'}))
    assert {e.path: e.label for e in source("a.tar", tmp_path).entries()} == {
        "a.tar/a.jpg": "cat",
        "a.tar/b.jpg": None,
        "a.tar/c.jpg": "7",
    }


@pytest.mark.parametrize("outer", ["", "./", "caltech/", "./caltech/"])
def test_folders_of_a_plain_archive_are_told_below_its_root(outer: str, tmp_path: Path) -> None:
    names = ("cat/1.jpg", "dog/2.jpg", "cat/._1.jpg")
    (tmp_path / "a.tar").write_bytes(archive({outer + name: name.encode() for name in names}))
    tar = source("a.tar", tmp_path)
    inside = outer.removeprefix("./")
    assert [(e.folders, tar.read(e.uri)) for e in tar.entries()] == [
        (f"{inside}cat/1.jpg", b"cat/1.jpg"),
        (f"{inside}dog/2.jpg", b"dog/2.jpg"),
    ]


def test_a_member_is_as_old_as_its_shard(tmp_path: Path) -> None:
    shards(tmp_path, 2)
    before = {entry.uri: entry.version for entry in source("*.tar", tmp_path).entries()}
    os.utime(tmp_path / "shard-001.tar", (1, 1))
    after = {entry.uri: entry.version for entry in source("*.tar", tmp_path).entries()}
    assert {uri[:9] for uri in after if after[uri] != before[uri]} == {"shard-001"}


def test_a_shard_is_listed_before_the_next_one_is_opened(tmp_path: Path) -> None:
    shards(tmp_path, 2)
    (tmp_path / "shard-001.tar").write_bytes(b"not a tar archive" * 100)
    entries = source("shard-*.tar", tmp_path).entries()
    assert [next(entries).label for _ in range(4)] == ["0", "1", "2", "3"]
    assert "broken archive" in next(entries).fault


def test_a_broken_shard_is_reported_and_the_others_are_used(tmp_path: Path) -> None:
    shards(tmp_path)
    whole = (tmp_path / "shard-001.tar").read_bytes()
    (tmp_path / "shard-001.tar").write_bytes(whole[:2000])
    (tmp_path / "shard-002.tar").write_bytes(b"not a tar archive" * 100)
    found = list(source("shard-*.tar", tmp_path).entries())
    assert {entry.path for entry in found if entry.fault} == {"shard-001.tar", "shard-002.tar"}
    assert sum(not entry.fault for entry in found) >= 4


def test_links_and_folders_are_no_images(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("folder", tarfile.DIRTYPE), ("link.jpg", tarfile.SYMTYPE), ("/etc/x.jpg", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert list(source("a.tar", tmp_path).entries()) == []


def test_shards_behind_a_url(tmp_path: Path) -> None:
    shards(tmp_path)
    memory = fsspec.filesystem("memory")
    for path in tmp_path.glob("*.tar"):
        memory.pipe_file(f"/tars/{path.name}", path.read_bytes())
    tar = source("memory://tars/shard-*.tar", tmp_path)
    assert sorted(tar.read(entry.uri) for entry in tar.entries())[0] == b"image 0 0"
    before = tar.listing_digest()
    memory.pipe_file("/tars/shard-003.tar", archive({"x.jpg": b"x"}))
    assert tar.listing_digest() != before
