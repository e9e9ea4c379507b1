"""Whether the bytes of a file are an image to train on, and if not, why."""

from typing import Literal, NamedTuple

from PIL import Image, UnidentifiedImageError

from dinov2.data.images import FAULTS, Pixels, open_image, orientation, rgb_of

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
        reason: one of `Reason`, or the kind of a filter.
        detail: more, for people; the same for the same bytes.
    """

    def __init__(self, reason: Reason | str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Decoded(NamedTuple):
    """A whole image: its size as seen, and (H, W, 3) uint8, upright, or None where no pixels were asked for."""

    width: int
    height: int
    pixels: Pixels | None


def inspect(data: bytes, min_side: int, max_pixels: int) -> tuple[int, int]:
    """Width and height, as seen, of a usable image. The header is judged before any pixel is decoded.

    Args and raises: see `read_header`.
    """
    decoded = decode(read_header(data, min_side, max_pixels))
    return decoded.width, decoded.height


def read_header(data: bytes, min_side: int, max_pixels: int) -> Image.Image:
    """An image whose header is good, of which nothing else was read. Its size is as stored: it may lie on its side.

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
    return image


def decode(image: Image.Image, shortest: int = 0) -> Decoded:
    """Decode every byte.

    Args:
        image: what `read_header` gave.
        shortest: pixels that are wanted on the shortest side, if the image has them; 0: none, only to see that it is
            whole. A JPEG is decoded at a fraction of its size where that will do: as strict, and faster.

    Raises:
        RejectedError: it is cut off or broken.
    """
    width, height = image.size
    try:
        image.draft(None, (max(1, shortest), max(1, shortest)))
        image.load()
        pixels = rgb_of(image, shortest) if shortest else None
    except FAULTS as error:
        cut = isinstance(error, EOFError) or "truncated" in str(error)
        raise RejectedError("truncated" if cut else "unreadable", str(error)) from None
    # Not before: of a PNG, Pillow decodes the pixels to find its EXIF data, and then does not say what is wrong.
    sideways = orientation(image) in SIDEWAYS
    return Decoded(*((height, width) if sideways else (width, height)), pixels)


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
