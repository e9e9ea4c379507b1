"""Whether the bytes of a file are an image to train on, and if not, why."""

from typing import Literal

from PIL import Image, UnidentifiedImageError

from dinov2.data.images import FAULTS, open_image, orientation

Reason = Literal[
    "unreadable", "truncated", "too small", "decompression bomb", "animated", "wrong mode", "empty", "duplicate name"
]

MODES = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I;16L", "I;16B"))
"""Pillow's modes that have one meaning as 8-bit RGB; floating-point and 32-bit pixels have no known range."""

SIDEWAYS = frozenset((5, 6, 7, 8))
"""EXIF orientations that exchange width and height."""


class RejectedError(Exception):
    """A file is not used.

    Attributes:
        reason: one of `Reason`.
        detail: more, for people; the same for the same bytes.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


def inspect(data: bytes, min_side: int, max_pixels: int) -> tuple[int, int]:
    """Width and height, as seen, of a usable image. The header is judged before any pixel is decoded.

    Args:
        data: the file's bytes.
        min_side: least length of its shorter side, in pixels.
        max_pixels: most pixels that it may declare.

    Raises:
        RejectedError: it is not usable.
    """
    image = _open(data)
    width, height = image.size
    if width * height > max_pixels:
        raise RejectedError("decompression bomb", f"declares {width}×{height} pixels, allowed are {max_pixels}")
    # Telephones put a preview behind the photograph and call it MPO; that is one photograph.
    if (frames := _frames(image)) > 1 and image.format != "MPO":
        raise RejectedError("animated", f"{frames} frames")
    if image.mode not in MODES:
        raise RejectedError("wrong mode", f"Pillow's mode {image.mode}")
    if min(width, height) < min_side:
        raise RejectedError("too small", f"{width}×{height} pixels, at least {min_side} a side are needed")
    _decode(image)
    return (height, width) if orientation(image) in SIDEWAYS else (width, height)


def _open(data: bytes) -> Image.Image:
    if not data:
        raise RejectedError("empty", "0 bytes")
    try:
        return open_image(data)
    except UnidentifiedImageError as error:
        raise RejectedError("unreadable", f"not an image: {error}") from None
    except Image.DecompressionBombError as error:
        raise RejectedError("decompression bomb", str(error)) from None
    except FAULTS as error:
        raise RejectedError("unreadable", str(error)) from None


def _frames(image: Image.Image) -> int:
    try:
        return getattr(image, "n_frames", 1)
    except FAULTS as error:
        raise RejectedError("unreadable", f"broken frames: {error}") from None


def _decode(image: Image.Image) -> None:
    """Decode every byte. A JPEG at an eighth of its size: as strict, and faster."""
    try:
        image.draft(None, (1, 1))
        image.load()
    except FAULTS as error:
        cut = isinstance(error, EOFError) or "truncated" in str(error)
        raise RejectedError("truncated" if cut else "unreadable", str(error)) from None
