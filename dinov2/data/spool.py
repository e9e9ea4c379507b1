"""Entries of a source to a local Parquet file, with their keys and what is known against them unread."""

import unicodedata
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.data.entries import Entry
from dinov2.data.filters import Filter
from dinov2.data.places import MAX_BYTES
from dinov2.data.sources import STORED

SPOOLED = pa.schema(
    [(name, pa.string()) for name in ("key", "path", "uri", "version", "label", "folders", "reason", "detail")]
    + [("size", pa.int64())]
)
BATCH = 8192


def spool(source: str, entries: Iterable[Entry], filters: Collection[Filter], path: Path) -> None:
    """Write the entries of the source of that name to `path`, rows of type `SPOOLED` in the order they come.

    A key is text in Unicode's form C, so that it is the same on every file system.
    """
    waiting = iter(entries)
    with pq.ParquetWriter(path, SPOOLED) as file:
        while batch := list(islice(waiting, BATCH)):
            file.write_table(pa.Table.from_pylist([_row(source, entry, filters) for entry in batch], SPOOLED))


def _row(source: str, entry: Entry, filters: Collection[Filter]) -> dict[str, Any]:
    reason, detail = _against(entry, filters)
    return {
        "key": _text(unicodedata.normalize("NFC", f"{source}/{entry.path}")),
        "path": _text(entry.path),
        "uri": _text(entry.uri),
        "version": entry.version,
        "label": None if entry.label is None else _text(entry.label),
        "folders": None if entry.folders is None else _text(entry.folders),
        "reason": reason,
        "detail": detail,
        "size": -1 if entry.size is None else entry.size,
    }


def _against(entry: Entry, filters: Collection[Filter]) -> tuple[str | None, str | None]:
    """Why an entry is not even read, if it is not."""
    if entry.fault:
        return "unreadable", entry.fault
    if _text(entry.uri) != entry.uri:
        return "unreadable", "its name is not UTF-8; rename it"
    if entry.uri.startswith(STORED):
        return "unreadable", f"its name begins with {STORED}; rename it"
    if entry.size is not None and entry.size > MAX_BYTES:
        return "unreadable", f"{entry.size} bytes; more than {MAX_BYTES} are not read"
    for own in filters:
        if (detail := own.before_reading(entry.uri)) is not None:
            return own.kind, detail
    return None, None


def _text(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 are spelt out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
