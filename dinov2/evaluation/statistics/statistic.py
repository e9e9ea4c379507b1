"""A metric as a function of weights over images: intervals and differences follow from that alone."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dinov2.errors import DataError


class Statistic(Protocol):
    """A metric of N images, or of whatever else is drawn: queries, clips.

    An image of weight 2 counts as two equal ones, of weight 0 as none. Where the images that are left do not define the
    metric, it is NaN.
    """

    @property
    def count(self) -> int:
        """N."""

    def __call__(self, weights_bn: np.ndarray) -> np.ndarray:
        """The metric for each row of weights, (B,) float64; weights of 1 give the metric itself.

        Args:
            weights_bn: (B, N) float64, not negative.
        """


@dataclass(frozen=True)
class Mean:
    """The mean of a number that every image has: right or wrong, a query's average precision, an image's error.

    Attributes:
        values_n: (N,) of any real type.

    Raises:
        DataError: there are none, or one is not finite. What has no value is left out beforehand, and counted.
    """

    values_n: np.ndarray

    def __post_init__(self) -> None:
        broken = int((~np.isfinite(self.values_n)).sum())
        if broken or not len(self.values_n):
            raise DataError(f"a mean of {len(self.values_n)} values, {broken} of them not finite, says nothing")

    @property
    def count(self) -> int:
        """See `Statistic`."""
        return len(self.values_n)

    def __call__(self, weights_bn: np.ndarray) -> np.ndarray:
        """See `Statistic`."""
        return ratio(weights_bn @ self.values_n.astype(np.float64), weights_bn.sum(axis=1))


@dataclass(frozen=True)
class Over:
    """The mean over several sets of a metric of each, as suites of sets are reported.

    Images are drawn from all of them together; each set is then as large as it happens to be drawn.

    Attributes:
        parts: the statistics of the sets; N is the sum of theirs.
    """

    parts: tuple[Statistic, ...]

    @property
    def count(self) -> int:
        """See `Statistic`."""
        return sum(part.count for part in self.parts)

    def __call__(self, weights_bn: np.ndarray) -> np.ndarray:
        """See `Statistic`."""
        ends = np.cumsum([part.count for part in self.parts])[:-1]
        shares = np.split(weights_bn, ends, axis=1)
        return np.mean([part(share) for part, share in zip(self.parts, shares, strict=True)], axis=0)


def value_of(statistic: Statistic) -> float:
    """The metric itself.

    Raises:
        DataError: there is no image, or they do not define it.
    """
    value = float(statistic(np.ones((1, statistic.count)))[0]) if statistic.count else np.nan
    if not np.isfinite(value):
        raise DataError(f"{statistic.count} images do not define the metric {type(statistic).__name__}")
    return value


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """`over` / `under`, NaN where `under` is 0."""
    return np.divide(over, under, out=np.full(np.broadcast_shapes(over.shape, under.shape), np.nan), where=under > 0)
