"""A perceptual hash of 256 bits after PDQ (Facebook 2019, "The TMK+PDQF video-hashing algorithm and the PDQ
image-hashing algorithm"): the cheapest way to find copies of which nothing is cut off.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

from dinov2.storage import digest

SIDE, FREQUENCIES = 64, 16
DIM = FREQUENCIES**2
VERSION = 1
MATCH_BITS = 31
"""So many different bits of 256 are the same image, says the publication."""


class PdqDescriptor:
    """Which of the 16 x 16 lowest frequencies are above their median, as ±1/16.

    The cosine of two vectors is 1 - 2 h / 256, h being the bits in which two hashes differ. As published, these are the
    frequencies 1 to 16 along each axis of a luminance of 64 x 64 pixels.
    """

    shortest = SIDE
    dim = DIM
    copies_above = leaks_above = 1 - 2 * (MATCH_BITS + 0.5) / DIM

    def __init__(self) -> None:
        self.digest = digest("pdq", VERSION, SIDE, FREQUENCIES)
        pixels = np.arange(SIDE) + 0.5
        self._cosines = np.cos(np.pi / SIDE * np.outer(np.arange(1, FREQUENCIES + 1), pixels))
        self._threads = ThreadpoolController()

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (B, 256) float32; see `Descriptor`."""
        with self._threads.limit(limits=1, user_api="blas"):
            return np.stack([self._bits(image) for image in images]).astype(np.float32) / FREQUENCIES

    def _bits(self, image: np.ndarray) -> np.ndarray:
        light = cv2.cvtColor(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        spectrum = (self._cosines @ light.astype(np.float64) @ self._cosines.T).ravel()
        return np.where(spectrum > np.median(spectrum), 1, -1)
