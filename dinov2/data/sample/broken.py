"""Files that any crawl brings home and no trainer can use, one of each kind that ingestion knows."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from dinov2.data.images import Pixels
from dinov2.data.sample.edits import to_jpeg

HEADER = slice(12, 29)
"""Where the header chunk of a PNG lies: its type, width, height and five more bytes; its checksum follows."""


def _unreadable(_: Pixels) -> bytes:
    return b"<!DOCTYPE html><title>404 Not Found</title>\n"


def _truncated(pixels: Pixels) -> bytes:
    whole = to_jpeg(pixels)
    return whole[: len(whole) * 2 // 3]


def _empty(_: Pixels) -> bytes:
    return b""


def _too_small(pixels: Pixels) -> bytes:
    return to_jpeg(cv2.resize(pixels, (24, 18), interpolation=cv2.INTER_AREA))


def _bomb(_: Pixels) -> bytes:
    """A PNG of a few bytes that declares 20000×20000 pixels."""
    small = cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes()
    header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + small[HEADER][12:]
    checksum = struct.pack(">I", zlib.crc32(header))
    return small[: HEADER.start] + header + checksum + small[HEADER.stop + 4 :]


def _animated(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(np.ascontiguousarray(frame)) for frame in (pixels, pixels[::-1])]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


def _wrong_mode(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0].astype(np.float32) / 7).save(file, "TIFF")
    return file.getvalue()


BROKEN: dict[str, tuple[str, Callable[[Pixels], bytes]]] = {
    "unreadable": (".jpg", _unreadable),
    "truncated": (".jpg", _truncated),
    "empty": (".jpg", _empty),
    "too small": (".jpg", _too_small),
    "decompression bomb": (".png", _bomb),
    "animated": (".gif", _animated),
    "wrong mode": (".tif", _wrong_mode),
}
"""Each reason for rejection: a suffix, and a file made of a picture that is rejected for it."""
