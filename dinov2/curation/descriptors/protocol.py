"""What a descriptor is."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dinov2.errors import DataError


class Descriptor(Protocol):
    """Turns images into unit vectors whose inner product says how alike the images are.

    Attributes:
        digest: names everything that the vectors depend on, besides the images.
        dim: length D of a vector.
        shortest: images may come reduced as long as their shortest side keeps this many pixels.
        copies_above: training images of a larger cosine are copies of each other.
        leaks_above: training images of a larger cosine to an evaluation image are copies of it.
    """

    digest: str
    dim: int
    shortest: int
    copies_above: float
    leaks_above: float

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (B, D) float32 of B images (H, W, 3) uint8 RGB of any sizes; each depends on its image alone."""


def unit(vectors: np.ndarray, what: str = "vectors") -> np.ndarray:
    """(..., D) float32 scaled to length 1; a vector of zeros becomes the first axis: none is without a direction.

    Args:
        vectors: (..., D) of any floating type.
        what: what they are called in an error.

    Raises:
        DataError: a vector is not finite, or its squared length overflows float32: a network diverged.
    """
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float32)
        lengths = np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))
    if not np.isfinite(lengths).all():
        raise DataError(f"{what}: some are not finite: the descriptor's weights are broken")
    flat = np.zeros_like(vectors)
    flat[..., 0] = 1.0
    return np.where(lengths > 0, vectors / np.where(lengths > 0, lengths, 1.0), flat)
