"""One tar shard in webdataset's layout: equal images give equal bytes."""

import io
import json
import tarfile
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from dinov2.data.images import open_image
from dinov2.data.stream import Row

MEMBERS = pa.schema([("key", pa.string()), ("member", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])
"""Where each image of a shard lies: the name of the member, the offset of its bytes, and how many there are."""

TOLD = ("key", "source", "label", "reason", "query", "cluster")
"""What the JSON member beside an image says of it, as far as it is known."""


def build_shard(images: Iterable[tuple[Row, bytes]]) -> tuple[bytes, pa.Table]:
    """The bytes of a shard, and a row of `MEMBERS` for each image.

    An image is SHA256.EXT, its bytes as they are, and SHA256.json beside it says what it is.
    """
    buffer, places = io.BytesIO(), []
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.USTAR_FORMAT) as archive:
        for row, data in images:
            name = f"{row['sha256']}.{_suffix(data)}"
            _add(archive, name, data)
            # The offset of a member is known once it has been added.
            places.append((row["key"], name, archive.offset - _padded(len(data)), len(data)))
            told = json.dumps(told_of(row), sort_keys=True, ensure_ascii=False)
            _add(archive, f"{row['sha256']}.json", told.encode())
    columns = zip(*places, strict=True)
    return buffer.getvalue(), pa.table([pa.array(each) for each in columns], schema=MEMBERS)


def told_of(row: Row) -> dict[str, Any]:
    """What the shard says of an image beside its bytes."""
    return {name: row[name] for name in TOLD if row.get(name) is not None}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _suffix(data: bytes) -> str:
    kind = (open_image(data).format or "").lower()
    return {"jpeg": "jpg", "mpo": "jpg", "tiff": "tif"}.get(kind, kind)
