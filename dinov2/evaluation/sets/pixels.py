"""The pixels of an image of a set."""

from dinov2.data.images import Pixels, decode_rgb
from dinov2.errors import DataError
from dinov2.evaluation.sets.task import Image


def read_pixels(image: Image, shortest: int | None = None) -> Pixels:
    """(H, W, 3) uint8 RGB of an image, or of its box; a box is cut to what there is of it.

    Args:
        image: whose file is read.
        shortest: see `decode_rgb`; an image with a box is always decoded at its full resolution.

    Raises:
        DataError: it cannot be read, or its box lies outside of it.
    """
    try:
        pixels = decode_rgb(image.path.read_bytes(), None if image.box else shortest)
    except (OSError, DataError) as error:
        raise DataError(f"{image.path}: {error}") from None
    if image.box is None:
        return pixels
    left, top, right, bottom = image.box
    part = pixels[top:bottom, left:right]
    if not part.size:
        raise DataError(f"{image.path}: {pixels.shape[1]}×{pixels.shape[0]} pixels; its box {image.box} lies outside")
    return part
