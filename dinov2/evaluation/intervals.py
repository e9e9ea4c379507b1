"""How sure an accuracy is."""

from math import sqrt

Z_95 = 1.959963984540054
"""97.5% quantile of the normal distribution: two-sided 95%."""


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95% interval of a proportion, by Wilson's score (1927): it stays in [0, 1] and holds near both ends.

    Args:
        successes: how many of the trials succeeded.
        trials: how many there were, at least 1.
    """
    proportion = successes / trials
    squared = Z_95**2
    centre = (proportion + squared / (2 * trials)) / (1 + squared / trials)
    half = Z_95 * sqrt(proportion * (1 - proportion) / trials + squared / (4 * trials**2)) / (1 + squared / trials)
    return max(0.0, centre - half), min(1.0, centre + half)
