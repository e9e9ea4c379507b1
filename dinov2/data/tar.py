"""Shards of tar archives, plain ones and those of webdataset; each image is read in place by its offset."""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dinov2.data.config import SourceConfig
from dinov2.data.entries import SPLITS, Entry, from_folders, is_candidate, listing_digest
from dinov2.data.places import fetch, locate
from dinov2.errors import DataError
from dinov2.storage import Store

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
LABELS = (".cls", ".json")


class Member(NamedTuple):
    """A file in a shard: its name there, its path in the source, what it is read by, and its bytes."""

    name: str
    path: str
    uri: str
    size: int


class TarSource:
    """Members of `shard-{000..009}.tar`, `shards/*.tar` or one archive. A member's uri is
    `<shard>::<member>#<offset>+<size>`: one ranged read gets it from a disk or an object store, without an index.

    In webdataset's layout, `<stem>.cls` or the `label` in `<stem>.json` is the label of `<stem>.jpg`; in archives
    without such members, folders tell labels and splits as they do on a disk, below a single outermost folder.
    """

    def __init__(self, config: SourceConfig, _: Store, root: Path) -> None:
        self._name, self._uri = config.name, config.uri
        self._fs, self._pattern = locate(config.uri, root)
        fixed = re.split(r"[*?{\[]", self._pattern, maxsplit=1)[0]
        self._base = fixed.rpartition("/")[0]

    def entries(self) -> Iterator[Entry]:
        """Members that are meant to be images, and shards that are broken."""
        members: list[Member] = []
        labels: dict[str, str] = {}
        for shard in self._shards():
            try:
                for member in self._members(shard):
                    if PurePosixPath(member.name).suffix in LABELS and (label := self._label(member)):
                        labels[_stem(member)] = label
                    elif is_candidate(member.name):
                        members.append(member)
            except tarfile.TarError as error:
                yield Entry(shard, shard, fault=f"broken archive: {error}")
        if labels:
            for member in members:
                yield Entry(member.path, member.uri, labels.get(_stem(member)), member.size)
        else:
            yield from _by_folder(members)

    def read(self, uri: str) -> bytes:
        """The bytes of a member."""
        place, _, extent = uri.rpartition("#")
        offset, size = map(int, extent.split("+"))
        return fetch(self._fs, f"{self._base}/{place.partition('::')[0]}", offset, offset + size)

    def listing_digest(self) -> str:
        """Digest of the shards' names, sizes and entity tags."""
        return listing_digest((shard, self._fs.info(f"{self._base}/{shard}")) for shard in self._shards())

    def _shards(self) -> list[str]:
        """Shards relative to the folder that the pattern starts with."""
        found: list[str] = []
        for pattern in _expand(self._pattern):
            matches = [str(path) for path in self._fs.glob(pattern)]
            if not matches:
                raise DataError(f"source {self._name}: {self._uri}: there is no {pattern}")
            found.extend(match[len(self._base) + 1 :] for match in matches)
        return sorted(found)

    def _members(self, shard: str) -> Iterator[Member]:
        with self._fs.open(f"{self._base}/{shard}", "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for info in archive:
                if info.isreg() and not info.issparse():
                    name = PurePosixPath(info.name).as_posix()
                    yield Member(name, f"{shard}/{name}", f"{shard}::{name}#{info.offset_data}+{info.size}", info.size)

    def _label(self, member: Member) -> str | None:
        content = self.read(member.uri).decode("utf-8", "replace")
        if member.name.endswith(".cls"):
            return content.strip() or None
        try:
            label: Any = json.loads(content).get("label")
        except (json.JSONDecodeError, AttributeError):
            return None
        return None if label is None else str(label)


def _expand(pattern: str) -> Iterator[str]:
    """`a-{08..11}` as a-08, a-09, a-10, a-11."""
    if not (found := RANGE.search(pattern)):
        yield pattern
        return
    first, last = found.groups()
    for number in range(int(first), int(last) + 1):
        yield from _expand(f"{pattern[: found.start()]}{number:0{len(first)}}{pattern[found.end() :]}")


def _stem(member: Member) -> str:
    """What the members of one webdataset sample share: the path up to the first dot of the file name."""
    folder, _, name = member.path.rpartition("/")
    return f"{folder}/{name.partition('.')[0]}"


def _by_folder(members: list[Member]) -> Iterator[Entry]:
    """Entries labelled by folders, below the outermost one where a single one holds everything."""
    outermost = {member.name.split("/")[0] for member in members}
    wrapped = len(outermost) == 1 and not outermost & SPLITS.keys() and all("/" in member.name for member in members)
    inside = (
        (member.name.partition("/")[2] if wrapped else member.name, member.uri, member.size) for member in members
    )
    paths = {member.uri: member.path for member in members}
    for entry in from_folders(inside):
        yield replace(entry, path=paths[entry.uri])
