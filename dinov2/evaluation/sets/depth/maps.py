"""Depth maps: 16-bit files, and the part of them that counts."""

from dataclasses import replace

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.sets.segmentation.masks import image_size, stored_map
from dinov2.evaluation.sets.task import Depth, Pair

WHOLE = (0.0, 1.0, 0.0, 1.0)
SHAPE = 0.02
"""By how much of it the aspect ratio of a map may differ from its image's, since smaller sizes are rounded."""


def read_depth(task: Depth, pair: Pair) -> np.ndarray:
    """(H, W) float32 metres; 0 where there is no reading, or one outside of near to far.

    Raises:
        DataError: the map cannot be read, or is not of the shape of its image, of which it may have fewer pixels.
    """
    stored = stored_map(pair.truth)
    _check_shape(pair, *stored.shape)
    if pair.image.box is not None:
        left, top, right, bottom = pair.image.box
        stored = stored[top:bottom, left:right]
    metres = stored.astype(np.float32) * np.float32(task.metres)
    metres[(metres < task.near) | (metres > task.far)] = 0
    return metres


def read_judged(task: Depth, pair: Pair) -> np.ndarray:
    """As `read_depth`, with 0 also where a test map is not judged: the borders that are published to be left out."""
    metres = read_depth(task, pair)
    height, width = metres.shape
    top, bottom, left, right = (
        int(share * side) for share, side in zip(task.judged, (height, height, width, width), strict=True)
    )
    judged = np.zeros_like(metres)
    judged[top:bottom, left:right] = metres[top:bottom, left:right]
    return judged


def _check_shape(pair: Pair, rows: int, columns: int) -> None:
    height, width = image_size(replace(pair.image, box=None))
    alike = abs(rows * width - columns * height) <= SHAPE * rows * width
    if (rows, columns) != (height, width) if pair.image.box else not alike:
        size = f"{columns}×{rows}"
        raise DataError(f"{pair.truth}: {size} pixels; its image {pair.image.path} has {width}×{height}")
