"""PCA whitening: every direction in which the vectors of a pool differ counts alike (SSCD, section 4.2)."""

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

FLOOR = 1e-3
"""Added to each variance, as a share of the largest: what hardly varies is noise, and is not blown up."""


def whitening(vectors: np.ndarray) -> tuple[Tensor, Tensor]:
    """What turns vectors like these into ones without correlation.

    Args:
        vectors: (N, D) float32; at least two.

    Returns:
        The mean (D,) and the matrix (D, D), float32: (x - mean) @ matrix.
    """
    x = vectors.astype(np.float64)
    mean = x.mean(axis=0)
    with threadpool_limits(1, user_api="blas"):  # the last bits depend on the number of threads
        variances, directions = np.linalg.eigh(np.cov((x - mean).T))
    # Variances rise; the matrix begins with the largest.
    scales = (np.maximum(variances, 0) + FLOOR * max(variances.max(), 1e-12)) ** -0.5
    matrix = (directions * scales)[:, ::-1]
    return torch.from_numpy(mean).float(), torch.from_numpy(matrix.copy()).float()
