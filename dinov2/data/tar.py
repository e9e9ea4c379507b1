"""Shards of tar archives, plain ones and those of webdataset; each image is read in place by its offset."""

import json
import re
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dinov2.data.config import SourceConfig
from dinov2.data.entries import Entry, is_candidate, listing_digest, version_of
from dinov2.data.places import asked, fetch, locate
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

    In webdataset's layout, `<stem>.cls` or the `label` in `<stem>.json` is the label of `<stem>.jpg`, in the same
    shard; in archives without such members, folders tell labels and splits as they do on a disk, below a single
    outermost folder. Members are listed a shard at a time.
    """

    wrapped = True

    def __init__(self, config: SourceConfig, _: Store, root: Path) -> None:
        self._name, self._uri = config.name, config.uri
        self._fs, self._pattern = locate(config.uri, root)
        fixed = re.split(r"[*?{\[]", self._pattern, maxsplit=1)[0]
        self._base = fixed.rpartition("/")[0]

    def entries(self) -> Iterator[Entry]:
        """Members that are meant to be images, and shards that are broken."""
        for shard in self._shards():
            members: list[Member] = []
            labels: dict[str, str] = {}
            version = version_of(self._fs.info(f"{self._base}/{shard}"))
            try:
                for member in self._members(shard):
                    if PurePosixPath(member.name).suffix in LABELS and (label := self._label(member)):
                        labels[_stem(member)] = label
                    elif is_candidate(member.name):
                        members.append(member)
            except tarfile.TarError as error:
                yield Entry(shard, shard, fault=f"broken archive: {error}")
            for member in members:
                label = labels.get(_stem(member))
                yield Entry(member.path, member.uri, label, member.size, member.name, version=version)

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
            matches = [str(path) for path in asked(self._fs, pattern, partial(self._fs.glob, pattern))]
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
