"""What the store holds below a folder, with sizes and times."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from dinov2.errors import UserError
from dinov2.storage import Store, retried

TIMES = ("mtime", "LastModified", "last_modified", "updated")
"""What file systems call the time of the last change."""


@dataclass(frozen=True)
class Blob:
    """A blob of the store; `written` is in seconds since 1970, None where the store does not say."""

    name: str
    size: int
    written: float | None


def blobs(store: Store, folder: str) -> list[Blob]:
    """Those below a folder, by name; none where there is no such folder.

    Raises:
        UserError: the store refuses.
        UnreachableError: it does not answer.
    """
    start = len(store.base.rstrip("/")) + 1
    try:
        found = retried(lambda: store.fs.find(store.path(folder), detail=True), store.url_of(folder))
    except FileNotFoundError:
        return []
    return [Blob(path[start:], info["size"] or 0, _time(info)) for path, info in sorted(found.items())]


def by_part(found: Iterable[Blob], parts: int) -> Iterator[tuple[str, list[Blob]]]:
    """Blobs by the first parts of their names, in whose order they must be given."""
    for name, group in groupby(found, lambda blob: "/".join(blob.name.split("/")[:parts])):
        yield name, list(group)


def newest(found: Iterable[Blob]) -> float | None:
    """When the last of them was written; None if one has no time, or there is none."""
    times = [blob.written for blob in found]
    return max(filter(None, times)) if times and None not in times else None


def unchanged(store: Store, folder: str, since: float | None) -> None:
    """Make sure that nothing was written to a folder since it was looked at.

    Raises:
        UserError: something was: somebody uses it after all.
    """
    now = newest(blobs(store, folder))
    if now is not None and now != since:
        raise UserError(f"{store.url_of(folder)}: written to since it was looked at")


def remove(store: Store, folder: str, since: float | None) -> None:
    """Remove a folder, or a blob, that nothing was written to since it was looked at.

    Raises:
        UserError: something was.
    """
    unchanged(store, folder, since)
    store.delete(folder)


def _time(info: dict[str, Any]) -> float | None:
    for name in TIMES:
        match info.get(name):
            case datetime() as moment:
                return moment.timestamp()
            case int() | float() as seconds:
                return float(seconds)
    return None
