"""How many images to take from each cluster, so that all give alike, as far as they go.

After Vo et al. 2024, "Automatic Data Curation for Self-Supervised Learning: A Clustering-Based Approach".
"""

from collections.abc import Sequence

import numpy as np


def quotas(sizes: np.ndarray, parents: Sequence[np.ndarray], target: int) -> np.ndarray:
    """How many images to take from each cluster of the finest level, (C_1,) int64, `target` in all.

    From the top, what a cluster gets is shared out among those below it as evenly as their sizes allow: each gives
    min(n, size). The paper takes the n that comes nearest to the target; here the lowest numbers of those that have
    more than n images give one more each, so that the target is met.

    Args:
        sizes: (C_1,) images in each cluster of the finest level.
        parents: of each level but the last, (C_t,) the cluster above each.
        target: images in all; all there are when there are fewer.
    """
    counts = [sizes.astype(np.int64)]
    for above in parents:
        # Whole numbers below 2^53 are exact in float64.
        counts.append(np.bincount(above, weights=counts[-1]).astype(np.int64))
    shares = _even(counts[-1], target)
    for above, below in zip(reversed(parents), reversed(counts[:-1]), strict=True):
        parts = np.zeros_like(below)
        children = np.argsort(above, kind="stable")
        for group in np.split(children, np.flatnonzero(np.diff(above[children])) + 1):
            parts[group] = _even(below[group], shares[above[group[0]]])
        shares = parts
    return shares


def _even(sizes: np.ndarray, target: int) -> np.ndarray:
    """(C,) min(n, size) of each, and one more of some, such that the sum is `target`."""
    if target >= sizes.sum():
        return sizes
    rising = np.sort(sizes)
    before = np.cumsum(rising) - rising
    larger = np.arange(len(sizes), 0, -1)
    # The first size that, as n, would be too much: the smaller ones are taken whole.
    first = np.searchsorted(before + rising * larger, target, side="right")
    level, rest = divmod(target - before[first], larger[first])
    shares = np.minimum(sizes, level)
    shares[np.flatnonzero(sizes > level)[:rest]] += 1
    return shares
