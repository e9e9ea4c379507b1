"""Intervals of a metric, by drawing its images again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.statistics.statistic import Statistic, value_of

DRAWS = 1000
LEVEL = 0.95
WEIGHTS_AT_ONCE = 2**22
"""32 MiB of them, or one draw where that is more."""


@dataclass(frozen=True)
class Interval:
    """A metric and how far it may be off for the choice of the images.

    Attributes:
        value: of the images themselves.
        low: end of the interval.
        high: its other end.
        undefined: draws that did not define the metric; the interval is of the others.
    """

    value: float
    low: float
    high: float
    undefined: int = 0


def interval(statistic: Statistic, seed: int, draws: int = DRAWS, level: float = LEVEL) -> Interval:
    """The percentile bootstrap over images (Efron 1979; Efron and Tibshirani 1993, section 13.3).

    It does not see how the model or its head would differ if trained again; and where all images are alike, as when
    all are right, it has no width, however few they are.

    Args:
        statistic: the metric.
        seed: of the draws; the same seed and count of images draw the same.
        draws: how many.
        level: share of the draws within.

    Raises:
        DataError: the images, or all the draws, do not define the metric.
    """
    value = value_of(statistic)
    return within(value, drawn((statistic,), seed, draws)[0], level)


def drawn(statistics: Sequence[Statistic], seed: int, draws: int = DRAWS) -> np.ndarray:
    """Metrics of the same draws of the same images, (statistics, draws) float64, NaN where a draw does not define one.

    Raises:
        DataError: they are not all of the same number of images.
    """
    counts = sorted({statistic.count for statistic in statistics})
    if len(counts) > 1:
        raise DataError(f"metrics of {counts[0]} and of {counts[-1]} images cannot be paired: evaluate on the same")
    parts = resamples(counts[0], draws, seed)
    return np.concatenate([np.stack([each(weights_bn) for each in statistics]) for weights_bn in parts], axis=1)


def within(value: float, drawn_b: np.ndarray, level: float = LEVEL) -> Interval:
    """The interval of `value` that B draws give; those that are NaN are counted and left out.

    Raises:
        DataError: all are.
    """
    defined = drawn_b[~np.isnan(drawn_b)]
    if not len(defined):
        raise DataError(f"none of {len(drawn_b)} draws of the images defines the metric: too few of them bear on it")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), len(drawn_b) - len(defined))


def resamples(count: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Weights (B, `count`) float64 of B draws at a time: how often each image is drawn when `count` are, with return.

    What a draw holds does not depend on B.
    """
    generator, at_once = np.random.default_rng(seed), max(1, WEIGHTS_AT_ONCE // count)
    for start in range(0, draws, at_once):
        weights_bn = np.empty((min(at_once, draws - start), count))
        for weights_n in weights_bn:
            weights_n[:] = np.bincount(generator.integers(count, size=count), minlength=count)
        yield weights_bn
