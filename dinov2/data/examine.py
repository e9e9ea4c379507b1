"""One file of a source to a row of what it was found to be."""

import hashlib
from collections.abc import Callable, Collection
from typing import Any

from dinov2.data.config import IngestConfig
from dinov2.data.filters import Filter
from dinov2.data.inspection import RejectedError, decode, read_header
from dinov2.data.looked import IDENTITY
from dinov2.data.sources import STORED

VERSION = 1
"""Another one where this file or `inspection` decides differently: every file is then looked at again."""

Row = dict[str, Any]


class PassingError(RejectedError):
    """A file cannot be read now, which may be different another time."""


def examine(item: Row, read: Callable[[str], bytes], config: IngestConfig, filters: Collection[Filter]) -> Row:
    """Read and judge one file. Whatever is wrong with it becomes its reason.

    Args:
        item: `uri`, `size` and `version` of an entry.
        read: the bytes behind a uri.
        config: bounds.
        filters: in their order.

    Returns:
        A row of type `LOOKED`, and in `passes` whether it is worth looking again another time.
    """
    row = {name: item[name] for name in IDENTITY} | {"passes": False}
    try:
        return row | _look(item, read, config, filters)
    except RejectedError as error:
        return row | {"reason": error.reason, "detail": error.detail, "passes": isinstance(error, PassingError)}


def _look(item: Row, read: Callable[[str], bytes], config: IngestConfig, filters: Collection[Filter]) -> Row:
    data = _bytes(item, read)
    opened = read_header(data, config.min_side, config.max_pixels)
    for own in filters:
        _refuse(own, own.by_header(*opened.size))
    width, height, image = decode(opened, max((own.side for own in filters), default=0))
    sha256 = hashlib.sha256(data).hexdigest()
    row: Row = {"sha256": sha256, "width": width, "height": height, "bytes": len(data)}
    if image is None:
        return row
    for own in filters:
        _refuse(own, own.by_pixels(image))
        row |= own.measure(image) or {}
    for own in filters:
        if changed := own.change(image, sha256):
            row |= {"stored": STORED + changed.name, "faces": changed.faces, "bytes": len(changed.data)}
            row |= {"width": changed.width, "height": changed.height}
            row |= {"sha256": hashlib.sha256(changed.data).hexdigest()}
    return row


def _refuse(own: Filter, detail: str | None) -> None:
    if detail is not None:
        raise RejectedError(own.kind, detail)


def _bytes(item: Row, read: Callable[[str], bytes]) -> bytes:
    try:
        return read(item["uri"])
    except OSError as error:
        # The full message would hold a path of this machine.
        why = f"cannot be read: {error.strerror or type(error).__name__}"
        # What has a version was there when it was listed, and may be there again: a disk that was taken away, say.
        lasting = isinstance(error, FileNotFoundError) and not item["version"]
        raise (RejectedError if lasting else PassingError)("unreadable", why) from None
