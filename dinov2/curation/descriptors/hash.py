"""A perceptual hash of real numbers: for finding copies, cropped ones too, with nothing to train."""

from collections.abc import Sequence

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

from dinov2.curation.descriptors.planes import ORIENTATIONS, oriented_edges, scaled
from dinov2.curation.descriptors.protocol import unit
from dinov2.storage import digest

SIDE = 64
CELLS = 4
WINDOWS = ((1.0, 1), (0.9, 3), (0.8, 3))
"""Side of a window as a share of the image's, and places for it along an axis."""
COLOUR, LIGHT = 0.7, 0.7
"""Weights beside the edges, whose weight is 1."""
SHARPNESS = 12.0
DIM = 1024
VERSION = 2

CHROMA = slice(ORIENTATIONS, ORIENTATIONS + 2)


class HashDescriptor:
    """Likeness of the edges, colours and light of any window of one image with any window of another.

    Every window of the image is described by a 4 x 4 layout. Two images are alike as far as windows of one are equal to
    windows of the other: the sum over pairs of exp(-SHARPNESS (1 - cosine)), an efficient match kernel (Bo and
    Sminchisescu 2009), which random Fourier features (Rahimi and Recht 2007) turn into one inner product. A crop is a
    window of its original. Logarithms make light and colours indifferent to exposure. Mirrored copies are not found.
    """

    shortest = SIDE
    dim = DIM
    copies_above, leaks_above = 0.45, 0.4

    def __init__(self) -> None:
        self.digest = digest("hash", VERSION, SIDE, CELLS, WINDOWS, COLOUR, LIGHT, SHARPNESS, DIM)
        starts = [(length, start) for length, places in WINDOWS for start in np.linspace(0, 1 - length, places)]
        self._windows = len(starts)
        self._pooling = np.concatenate([_pooling(start, length) for length, start in starts])
        counts = np.repeat([places for _, places in WINDOWS], [places for _, places in WINDOWS])
        self._weights = (1 / np.outer(counts, counts)).ravel().astype(np.float32)
        random = np.random.default_rng(0).standard_normal((CELLS**2 * (ORIENTATIONS + 3), DIM // 2))
        self._threads = ThreadpoolController()
        self._frequencies = (random * SHARPNESS**0.5).astype(np.float32)

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (B, D) float32; see `Descriptor`."""
        # The last bits of a matrix product depend on the number of threads, and these are too small to gain from two.
        with self._threads.limit(limits=1, user_api="blas"):
            return unit(np.stack([self._describe(image) for image in images]))

    def _describe(self, image: np.ndarray) -> np.ndarray:
        phases = self._layouts(_planes(image)) @ self._frequencies
        return np.concatenate([self._weights @ np.cos(phases), self._weights @ np.sin(phases)])

    def _layouts(self, planes: np.ndarray) -> np.ndarray:
        """Unit vectors (windows**2, CELLS**2 * planes) of (planes, SIDE, SIDE)."""
        n = self._windows
        pooled = (self._pooling @ planes @ self._pooling.T).reshape(len(planes), n, CELLS, n, CELLS)
        cells = pooled.transpose(1, 3, 2, 4, 0).reshape(n * n, CELLS**2, len(planes))
        edges = np.sqrt(cells[..., :ORIENTATIONS]).reshape(n * n, -1)
        colour = cells[..., CHROMA].reshape(n * n, -1)
        light = cells[..., -1]
        parts = [
            scaled(edges - edges.mean(axis=1, keepdims=True), 1e-3),
            # A floor of the order of what is seen: the hue of a grey picture is noise.
            COLOUR * scaled(colour, 0.3),
            LIGHT * scaled(light - light.mean(axis=1, keepdims=True), 1e-3),
        ]
        return unit(np.concatenate(parts, axis=1))


def _planes(image: np.ndarray) -> np.ndarray:
    """(ORIENTATIONS + 3, SIDE, SIDE) float32: edges, two colour ratios, light, the last two kinds as logarithms."""
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    edges = oriented_edges(np.log(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) + 8))
    red, green, blue = np.moveaxis(np.log(small + 16), -1, 0)
    return np.concatenate([edges, np.stack([red - green, blue - green, (red + green + blue) / 3])])


def _pooling(start: float, length: float) -> np.ndarray:
    """(CELLS, SIDE) float32 weights of the pixels along an axis in the cells of a window, overlapping triangles."""
    pixels = np.arange(SIDE) + 0.5
    centres = SIDE * (start + length * (np.arange(CELLS) + 0.5) / CELLS)
    weights = np.maximum(0, 1 - np.abs(pixels - centres[:, None]) * CELLS / (length * SIDE))
    weights *= (pixels >= start * SIDE) & (pixels <= (start + length) * SIDE)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
