"""Whether a model is better than another on the same images."""

from dataclasses import dataclass
from typing import Literal

from dinov2.evaluation.statistics.bootstrap import DRAWS, LEVEL, Interval, drawn, within
from dinov2.evaluation.statistics.statistic import Statistic, value_of

Verdict = Literal["better", "worse", "cannot tell"]

FEWEST = 20
"""Images below which no verdict is given: percentile intervals of a mean of 10 hold the truth nine times in ten."""


@dataclass(frozen=True)
class Difference:
    """How much larger a metric is for ours than for theirs.

    Attributes:
        value: ours less theirs, whichever way is better.
        low: end of its interval.
        high: its other end.
        verdict: on ours: whether the interval leaves 0 on the good or on the bad side, or holds it.
    """

    value: float
    low: float
    high: float
    verdict: Verdict


def difference(
    ours: Statistic,
    theirs: Statistic,
    seed: int,
    higher_is_better: bool = True,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Difference:
    """Compare two models by the same draws of the same images: what is hard in an image is hard for both.

    Args:
        ours: a metric of one model.
        theirs: the metric of the other on the same images, in the same order.
        seed: of the draws.
        higher_is_better: false for errors.
        draws: how many; those that do not define either metric are left out.
        level: share of the draws within the interval.

    Raises:
        DataError: the two are not of the same number of images; or the images, or all the draws, do not define them.
    """
    value = value_of(ours) - value_of(theirs)
    our_b, their_b = drawn((ours, theirs), seed, draws)
    found = within(value, our_b - their_b, level)
    return Difference(value, found.low, found.high, verdict(found, higher_is_better, ours.count))


def verdict(gain: Interval, higher_is_better: bool, count: int) -> Verdict:
    """What the interval of a difference over `count` images says of ours."""
    if count < FEWEST or gain.low <= 0 <= gain.high:
        return "cannot tell"
    return "better" if (gain.low > 0) == higher_is_better else "worse"
