"""Planted clusters of unit vectors."""

import numpy as np

from dinov2.curation.descriptors import unit


def blobs(sizes: list[int], spread: float, dim: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, D) float16 in random order around a direction for each of `sizes`, and which one (N,)."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = unit(random.standard_normal((len(sizes), dim)))
    vectors = unit(centres[labels] + spread * random.standard_normal((len(labels), dim)))
    return vectors.astype(np.float16), labels
