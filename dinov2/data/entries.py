"""What every kind of source lists: entries, what folders tell about them, and the digest of a listing."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

SIDECARS = frozenset(
    (".cls", ".csv", ".dvc", ".html", ".json", ".jsonl", ".md", ".parquet", ".tsv", ".txt", ".xml", ".yaml", ".yml")
)
"""Suffixes of files that lie beside images and are not meant as such."""

SPLITS = {"train": "train", "val": "test", "valid": "test", "validation": "test", "test": "test"}
"""Names of top-level folders that say which split their images belong to."""


@dataclass(frozen=True)
class Entry:
    """A file that is meant to be an image.

    Attributes:
        path: its place for people, relative to the source.
        uri: what the source reads it by.
        label: its class, where the source knows one.
        size: bytes, where the listing tells.
        split: "train" or "test", where the source decides.
        fault: why it cannot even be read; empty when nothing is known against it.
    """

    path: str
    uri: str
    label: str | None = None
    size: int | None = None
    split: str | None = None
    fault: str = ""


class Source(Protocol):
    """One kind of place that images come from."""

    def entries(self) -> Iterator[Entry]:
        """Every file meant to be an image, in any order."""

    def read(self, uri: str) -> bytes:
        """The bytes of one of them; thread-safe. Raises OSError."""

    def listing_digest(self) -> str:
        """A digest of what is there, from names, sizes and entity tags: no image is read."""


def listing_digest(infos: Iterable[tuple[str, dict[str, Any]]]) -> str:
    """The digest of (relative path, fsspec's info) pairs, in any order."""
    lines = sorted(f"{path}\0{info['size']}\0{info.get('ETag') or ''}" for path, info in infos)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def is_candidate(path: str) -> bool:
    """Whether a file is meant to be an image: neither hidden nor a list, a table or a text beside the images."""
    parts = PurePosixPath(path)
    return parts.suffix.lower() not in SIDECARS and not any(part.startswith(".") for part in parts.parts)


def from_folders(files: Iterable[tuple[str, str, int]]) -> Iterator[Entry]:
    """Entries of (path, uri, size) whose split and label are told by the folders they lie in.

    When every top-level folder is named for a split (`SPLITS`), it decides the split. The folder below that (or the
    top-level one) is the label, provided that there are at least two such folders: a single one is a container.
    """
    known = sorted(files)
    folders = {path.split("/", 1)[0] for path, _, _ in known if "/" in path}
    splits = SPLITS if folders and folders <= SPLITS.keys() else {}
    depth = 1 if splits else 0
    classes = {parts[depth] for path, _, _ in known if len(parts := path.split("/")) > depth + 1}
    for path, uri, size in known:
        parts = path.split("/")
        label = parts[depth] if len(classes) > 1 and len(parts) > depth + 1 else None
        yield Entry(path, uri, label, size, splits.get(parts[0]) if len(parts) > 1 else None)
