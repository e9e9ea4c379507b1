"""Whether two samples are of one distribution: maximum mean discrepancy (Gretton et al. 2012) with permutations."""

import numpy as np

PERMUTATIONS = 999


def discrepancy(x: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The unbiased estimate of MMD^2 under a Gaussian kernel, and the share of permutations with one as large.

    The kernel exp(-d^2 / w) has for w the median of d^2 in both samples together (Gretton et al. 2012, section 8).

    Args:
        x: (N, D) vectors, a random sample of one distribution.
        y: (M, D), a sample of the other one, independent of `x`.
        seed: of the permutations.

    Returns:
        MMD^2 (equation 3; below 0 by chance when there is no difference) and p, at least 1 / (permutations + 1).
    """
    z = np.concatenate([x, y]).astype(np.float64)
    norms = np.square(z).sum(axis=1)
    distances = np.maximum(norms[:, None] + norms[None, :] - 2 * z @ z.T, 0)
    width = np.median(distances[np.triu_indices(len(z), 1)])
    kernel = np.exp(-distances / width) if width else np.ones_like(distances)
    np.fill_diagonal(kernel, 0)
    first = np.zeros(len(z))
    first[: len(x)] = 1
    random = np.random.default_rng(seed)
    samples = np.stack([first, *(random.permutation(first) for _ in range(PERMUTATIONS))], axis=1)
    found = _estimates(kernel, samples)
    # Equal splits are summed in another order.
    as_large = int((found[1:] >= found[0] - 1e-12).sum())
    return float(found[0]), (1 + as_large) / (1 + PERMUTATIONS)


def _estimates(kernel: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """(P,) estimates for P splits (N, P) of a kernel (N, N) with an empty diagonal; 1 marks the first sample."""
    sums = kernel @ samples
    within, everything = (samples * sums).sum(axis=0), kernel.sum()
    across = sums.sum(axis=0) - within
    other = everything - within - 2 * across
    n = samples[:, 0].sum()
    m = len(samples) - n
    return within / (n * (n - 1)) + other / (m * (m - 1)) - 2 * across / (n * m)
