"""What every kind of source lists: entries, and the digest of a listing."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

SIDECARS = frozenset(
    (".cls", ".csv", ".dvc", ".html", ".json", ".jsonl", ".md", ".parquet", ".tsv", ".txt", ".xml", ".yaml", ".yml")
)
"""Suffixes of files that lie beside images and are not meant as such."""

VERSIONS = ("ETag", "etag", "md5Hash", "mtime_ns", "mtime", "LastModified", "last_modified", "updated", "created")
"""What file systems call it, the surest first."""


@dataclass(frozen=True)
class Entry:
    """A file that is meant to be an image.

    Attributes:
        path: its place for people, relative to the source.
        uri: what the source reads it by.
        label: its class, where the source knows one.
        size: bytes, where the listing tells.
        folders: the path whose folders tell label and split, where no entry of the source has a label of its own.
        fault: why it cannot even be read; empty when nothing is known against it.
        version: what changes with its bytes, an entity tag or a time, where the listing tells; see `version_of`.
    """

    path: str
    uri: str
    label: str | None = None
    size: int | None = None
    folders: str | None = None
    fault: str = ""
    version: str = ""


class Source(Protocol):
    """One kind of place that images come from.

    Attributes:
        wrapped: a single outermost folder that holds everything is a wrapping, which tells nothing.
    """

    wrapped: bool

    def entries(self) -> Iterator[Entry]:
        """Every file meant to be an image, in any order."""

    def read(self, uri: str) -> bytes:
        """The bytes of one of them; thread-safe. Raises OSError."""

    def listing_digest(self) -> str:
        """A digest of what is there, from names, sizes and entity tags: no image is read."""


def listing_digest(infos: Iterable[tuple[str, dict[str, Any]]]) -> str:
    """The digest of (relative path, fsspec's info) pairs: 16 hexadecimal digits.

    It is the sum of the files' own digests: the same in whatever order they are listed, and none of them has to be held
    for the sake of the others. Unlike an exclusive or, a sum tells a file that is listed twice from none.
    """
    total = 0
    for path, info in infos:
        line = f"{path}\0{info['size']}\0{info.get('ETag') or ''}".encode("utf-8", "surrogateescape")
        total = (total + int.from_bytes(hashlib.sha256(line).digest())) % 2**256
    return f"{total:064x}"[:16]


def is_candidate(path: str) -> bool:
    """Whether a file is meant to be an image: neither hidden nor a list, a table or a text beside the images."""
    parts = PurePosixPath(path)
    return parts.suffix.lower() not in SIDECARS and not any(part.startswith(".") for part in parts.parts)


def version_of(info: dict[str, Any]) -> str:
    """What changes with a file's bytes, from fsspec's info: an entity tag, else a time; empty where it has neither."""
    return next((str(info[name]) for name in VERSIONS if info.get(name)), "")
