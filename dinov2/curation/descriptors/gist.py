"""A classical global descriptor: for finding images of the same kind, with nothing to train."""

from collections.abc import Sequence

import cv2
import numpy as np

from dinov2.curation.descriptors.planes import ORIENTATIONS, oriented_edges, scaled
from dinov2.curation.descriptors.protocol import unit
from dinov2.storage import digest

SCALES = ((64, 8), (32, 4))
"""Side of the image in pixels, and cells along it."""
COLOUR_CELLS = 4
COLOUR_WEIGHT = 0.5
VERSION = 2

FLOOR = 1e-3


class GistDescriptor:
    """Oriented edges on coarse grids at two scales, and the layout of the colours.

    After the spatial envelope of Oliva and Torralba (2001), with gradients in place of Gabor filters. Strengths are
    square-rooted and centred for each scale, so that the contrast of an image does not matter; colours are in CIE Lab.
    """

    shortest = SCALES[0][0]
    dim = sum(cells**2 * ORIENTATIONS for _, cells in SCALES) + 3 * COLOUR_CELLS**2
    copies_above, leaks_above = 0.9, 0.85

    def __init__(self) -> None:
        self.digest = digest("gist", VERSION, SCALES, ORIENTATIONS, COLOUR_CELLS, COLOUR_WEIGHT)

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (B, D) float32; see `Descriptor`."""
        return unit(np.stack([_describe(image) for image in images]))


def _describe(image: np.ndarray) -> np.ndarray:
    side = SCALES[0][0]
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    edges = [_edges(lab[..., 0] / 100, *scale) for scale in SCALES]
    return np.concatenate([*edges, COLOUR_WEIGHT * len(SCALES) ** 0.5 * _colours(lab)])


def _edges(light: np.ndarray, side: int, cells: int) -> np.ndarray:
    """Unit vector (ORIENTATIONS * cells * cells,): how much edge of each orientation each cell holds."""
    planes = oriented_edges(cv2.resize(light, (side, side), interpolation=cv2.INTER_AREA))
    width = side // cells
    sums = planes.reshape(ORIENTATIONS, cells, width, cells, width).sum(axis=(2, 4)).ravel()
    root = np.sqrt(sums)
    return scaled(root - root.mean(), FLOOR)


def _colours(lab: np.ndarray) -> np.ndarray:
    """Unit vector (COLOUR_CELLS**2 * 3,): the image at 4 x 4 pixels, each axis of Lab brought to about [-0.5, 0.5]."""
    layout = cv2.resize(lab, (COLOUR_CELLS, COLOUR_CELLS), interpolation=cv2.INTER_AREA)
    return scaled((layout / (100, 60, 60) - (0.5, 0, 0)).ravel(), FLOOR)
