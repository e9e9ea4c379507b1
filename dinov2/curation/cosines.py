"""Cosines that are reported and decided on: the same on any machine, for any number of threads and any block."""

import numpy as np

DECIMALS = 6
"""Of a similarity: finer than float16 vectors can tell, coarser than the order of a sum can change."""


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(B,) float32 cosines of the rows of (B, D) and (B, D), of any floating type, rounded to 6 decimals.

    Computed in float64, row by row; a row of zeros is at 0 to all.
    """
    a, b = left.astype(np.float64), right.astype(np.float64)
    products = np.einsum("bd,bd->b", a, b)
    lengths = np.sqrt(np.einsum("bd,bd->b", a, a) * np.einsum("bd,bd->b", b, b))
    return np.round(products / np.where(lengths > 0, lengths, 1), DECIMALS).astype(np.float32)
