"""Tiles, and rows of them."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from dinov2.data.images import Pixels
from dinov2.evaluation.pictures.picture import GAP

WIDEST = 1464
LARGEST = 256


def side_of(count: int) -> int:
    """Side of the squares that `count` tiles of a row are fitted into."""
    return min(LARGEST, (WIDEST + GAP) // count - GAP)


def strip(tiles: Sequence[Pixels]) -> Image.Image:
    """Tiles beside each other, as high as the highest of them and at most 1464 pixels wide.

    Args:
        tiles: (H, W, 3), or 4 where parts are transparent.
    """
    side = side_of(len(tiles))
    fitted = [fit(tile, side) for tile in tiles]
    height = max(tile.shape[0] for tile in fitted)
    canvas = Image.new("RGBA", (len(tiles) * (side + GAP) - GAP, height), (0, 0, 0, 0))
    for column, tile in enumerate(fitted):
        left = column * (side + GAP) + (side - tile.shape[1]) // 2
        canvas.paste(Image.fromarray(tile), (left, (height - tile.shape[0]) // 2))
    return canvas


def fit(tile: Pixels, side: int) -> Pixels:
    """(H, W, C) with its longest side at `side` pixels; colours that stand for something are not mixed where C is 4."""
    height, width = tile.shape[:2]
    scale = side / max(height, width)
    if scale == 1:
        return tile
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(tile, size, interpolation=cv2.INTER_NEAREST if tile.shape[2] == 4 else smooth)


def straight(drawn_hw4: Pixels) -> Image.Image:
    """What was drawn with soft edges on a ground of zeros, whose colours are darkened there: as RGBA should be."""
    shares_hw1 = np.maximum(drawn_hw4[..., 3:], 1) / 255
    colours_hw3 = (drawn_hw4[..., :3] / shares_hw1).clip(0, 255).round().astype(np.uint8)
    return Image.fromarray(np.dstack([colours_hw3, drawn_hw4[..., 3]]))


def heat(values_hw: np.ndarray, low: float, high: float, side: int = LARGEST) -> Pixels:
    """Numbers as colours from dark to light, each a square of its own: (side, side, 3) for a square grid.

    Args:
        values_hw: (h, w), of any real type.
        low: drawn darkest, as is what is less.
        high: drawn lightest, as is what is more.
        side: pixels along the longer side.
    """
    shares_hw = ((values_hw - low) / max(high - low, 1e-12)).clip(0, 1)
    height, width = values_hw.shape
    scale = side / max(height, width)
    size = (round(width * scale), round(height * scale))
    return in_colour(cv2.resize(shares_hw.astype(np.float32), size, interpolation=cv2.INTER_NEAREST))


def in_colour(shares_hw: np.ndarray) -> Pixels:
    """(H, W, 3) of numbers from 0 to 1, from dark blue over green to yellow, which the colour-blind see too."""
    levels = (255 * shares_hw).round().astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1])


def framed(tile: Pixels, colour: tuple[int, int, int], side: int) -> Pixels:
    """A tile fitted into a square of `side`, with a frame of a colour around it."""
    width = max(3, side // 28)
    inner = fit(tile, side - 2 * width)
    return cv2.copyMakeBorder(inner, width, width, width, width, cv2.BORDER_CONSTANT, value=colour)
