"""Masks: files of a whole number for each pixel, and the classes that these numbers stand for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from dinov2.data.images import FAULTS, FORMATS, orientation
from dinov2.errors import DataError
from dinov2.evaluation.sets.task import IGNORE, UNKNOWN, Dense, Image, Pair

TURNED = range(5, 9)
"""EXIF orientations that swap height and width."""


def read_mask(task: Dense, pair: Pair) -> np.ndarray:
    """(H, W) int16: the class of each pixel, `IGNORE` where it does not count.

    Raises:
        DataError: the mask cannot be read, is not of its image's size, or stores a value that stands for no class.
    """
    stored = stored_map(pair.truth)
    height, width = image_size(pair.image)
    if stored.shape != (height, width):
        size = f"{stored.shape[1]}×{stored.shape[0]}"
        raise DataError(f"{pair.truth}: {size} pixels; its image {pair.image.path} has {width}×{height}")
    within = np.clip(stored, 0, len(task.numbers) - 1)
    found = np.where(stored == within, task.numbers[within], UNKNOWN)
    if (found == UNKNOWN).any():
        values = sorted(set(stored[found == UNKNOWN].tolist()))
        raise DataError(f"{pair.truth}: holds {', '.join(map(str, values[:5]))}, which stands for none of the classes")
    return found.astype(np.int16)


def stored_map(path: Path) -> np.ndarray:
    """(H, W) of whole numbers: what a file of one channel stores, palettes not looked up.

    Raises:
        DataError: the file is missing or damaged, or has several channels.
    """
    try:
        with Pillow.open(path, formats=("PNG", "TIFF", "BMP", "PPM", "GIF")) as opened:
            stored = np.array(opened)
            mode = opened.mode
    except FAULTS as error:
        raise DataError(f"{path}: cannot be read as a map of whole numbers: {error}") from None
    if stored.ndim != 2 or stored.dtype.kind not in "uib":
        raise DataError(f"{path}: of mode {mode}; allowed: one channel of whole numbers")
    return stored.astype(np.int32) if stored.dtype == bool else stored


def image_size(image: Image) -> tuple[int, int]:
    """Height and width of an image as it is shown; only its header is read.

    Raises:
        DataError: it is no image.
    """
    try:
        with Pillow.open(image.path, formats=FORMATS) as opened:
            width, height = opened.size
            turned = orientation(opened) in TURNED
    except FAULTS as error:
        raise DataError(f"{image.path}: cannot be read as an image: {error}") from None
    if image.box is not None:
        left, top, right, bottom = image.box
        return bottom - top, right - left
    return (width, height) if turned else (height, width)


def numbered(values: Mapping[int, int], ignored: Sequence[int] = ()) -> np.ndarray:
    """`Dense.numbers`, from the class of each value that counts."""
    numbers = np.full(max([*values, *ignored]) + 1, UNKNOWN, dtype=np.int16)
    numbers[list(ignored)] = IGNORE
    for value, number in values.items():
        numbers[value] = number
    return numbers
