"""How much better one model is than another on the same images, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import bdtr

from dinov2.evaluation.intervals import wilson


@dataclass(frozen=True)
class Difference:
    """A difference of two metrics, its 95% interval, and of two accuracies the p-value of there being none."""

    value: float
    low: float
    high: float
    p: float | None = None


def difference(first: np.ndarray, second: np.ndarray) -> Difference:
    """How much more often `first` is right than `second`.

    Args:
        first: (N,) bool, whether one model is right about each of N images, at least one.
        second: (N,) bool, the same of the other model.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    value = (only_first - only_second) / len(first)
    low, high = newcombe(both, only_first, only_second, neither)
    return Difference(value, low, high, mid_p(only_first, only_second))


def newcombe(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """95% interval of the difference of two paired proportions, from the counts of the four outcomes.

    Newcombe (1998), Statistics in Medicine 17, 2635-2650, method 10: Wilson's intervals of the two proportions,
    squared and added with the correlation of the pairs, which is corrected for continuity when it is positive.
    """
    trials = both + only_first + only_second + neither
    right_1, right_2 = both + only_first, both + only_second
    below_1, above_1 = _reach(right_1, trials)
    below_2, above_2 = _reach(right_2, trials)
    spread = sqrt(right_1 * (trials - right_1)) * sqrt(right_2 * (trials - right_2))
    together = both * neither - only_first * only_second
    corrected = max(together - trials / 2, 0) if together > 0 else together
    phi = corrected / spread if spread else 0.0
    value = (only_first - only_second) / trials
    low = value - sqrt(max(0.0, below_1**2 - 2 * phi * below_1 * above_2 + above_2**2))
    high = value + sqrt(max(0.0, above_1**2 - 2 * phi * above_1 * below_2 + below_2**2))
    return max(-1.0, low), min(1.0, high)


def _reach(successes: int, trials: int) -> tuple[float, float]:
    """How far Wilson's interval reaches below and above the proportion."""
    low, high = wilson(successes, trials)
    return successes / trials - low, high - successes / trials


def mid_p(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's test, mid-p: Fagerland, Lydersen & Laake (2013), BMC Med. Res. Methodol. 13:91.

    Args:
        only_first: images that one model alone is right about.
        only_second: images that the other alone is right about.
    """
    fewer, count = min(only_first, only_second), only_first + only_second
    if not count:
        return 1.0
    # Twice the tail, less the probability of what was seen: P(X ≤ fewer) + P(X < fewer), X binomial.
    return float(bdtr(fewer, count, 0.5) + (bdtr(fewer - 1, count, 0.5) if fewer else 0.0))


def mean(differences: Sequence[Difference]) -> tuple[float, float, float]:
    """Mean of differences on sets that share no image, and its 95% interval.

    The intervals are squared and added, as Zou & Donner (2008), Statistics in Medicine 27, 1693-1702, do for sums.
    """
    count = len(differences)
    value = sum(each.value for each in differences) / count
    below = sqrt(sum((each.value - each.low) ** 2 for each in differences)) / count
    above = sqrt(sum((each.high - each.value) ** 2 for each in differences)) / count
    return value, value - below, value + above
