"""One file of a source to a row of the manifest or a row of the rejects."""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.entries import Entry
from dinov2.data.inspection import RejectedError, inspect
from dinov2.data.places import MAX_BYTES


@dataclass(frozen=True)
class Named:
    """An entry with its key, and whether another one of the same key came before it."""

    key: str
    entry: Entry
    repeated: bool


Examined = tuple[dict[str, Any] | None, dict[str, str] | None]
"""A row of the manifest or one of the rejects; the other is None."""


def named(source: str, entries: Iterable[Entry]) -> list[Named]:
    """Entries with their keys, in an order of their own.

    A key is text in Unicode's form C, so that it is the same on every file system. Two files may come to share one (a
    tar archive may hold a member twice): the first counts.
    """
    found: list[Named] = []
    seen: set[str] = set()
    for entry in sorted(entries, key=lambda entry: (entry.path, entry.uri)):
        key = _text(unicodedata.normalize("NFC", f"{source}/{entry.path}"))
        found.append(Named(key, entry, key in seen))
        seen.add(key)
    return found


def examine(item: Named, source: SourceConfig, read: Callable[[str], bytes], config: IngestConfig) -> Examined:
    """Read and judge one file. Whatever is wrong with it becomes a row of the rejects."""
    entry = item.entry
    try:
        data = _bytes(item, read)
        width, height = inspect(data, config.min_side, config.max_pixels)
    except RejectedError as error:
        reject = {"uri": _text(entry.uri), "source": source.name, "reason": error.reason, "detail": error.detail}
        return None, {"key": item.key, **reject}
    split = entry.split or _split(item.key, entry.label, source.held_out)
    return {
        "key": item.key,
        "uri": entry.uri,
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": width,
        "height": height,
        "bytes": len(data),
        "source": source.name,
        "role": "evaluation" if split == "test" else source.role,
        "split": split,
        "label": entry.label,
    }, None


def _bytes(item: Named, read: Callable[[str], bytes]) -> bytes:
    entry = item.entry
    if entry.fault:
        raise RejectedError("unreadable", entry.fault)
    if item.repeated:
        raise RejectedError("duplicate name", "another file of this name comes before it")
    if _text(entry.uri) != entry.uri:
        raise RejectedError("unreadable", "its name is not UTF-8; rename it")
    if entry.size is not None and entry.size > MAX_BYTES:
        raise RejectedError("unreadable", f"{entry.size} bytes; more than {MAX_BYTES} are not read")
    try:
        return read(entry.uri)
    except OSError as error:
        # The full message would hold a path of this machine.
        raise RejectedError("unreadable", f"cannot be read: {error.strerror or type(error).__name__}") from None


def _split(key: str, label: str | None, held_out: float) -> str:
    """A labelled image is held out with that probability, by its key: adding others never moves it."""
    draw = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
    return "test" if label is not None and draw < held_out else "train"


def _text(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 are spelt out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
