"""One row of a table of results."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dinov2.evaluation.statistics import Interval, Statistic, Verdict, drawn, value_of, verdict, within

LOWER_IS_BETTER = frozenset({"rmse", "abs_rel", "mce"})
"""Metrics of which less is better; of all others more is."""
METRES, RATIOS = frozenset({"rmse"}), frozenset({"abs_rel"})
"""Metrics in metres, and those that are printed as a share of 1; all others are in per cent."""


@dataclass(frozen=True)
class Row:
    """A metric of a model on a set, beside its controls and what was published.

    Attributes:
        dataset: name of the set.
        protocol: name of the protocol.
        metric: name of the metric.
        value: of the model, as a share of 1 where it is one.
        low: end of its interval.
        high: its other end.
        count: images, queries or clips that it is of.
        higher_is_better: which way is good.
        controls: the same of what the model must beat, by name.
        published: for the same set and architecture; None where there is none.
        verdict: "better" than every control, "worse" than one of them, or neither; None without controls.
        details: further numbers of the protocol.
    """

    dataset: str
    protocol: str
    metric: str
    value: float
    low: float
    high: float
    count: int
    higher_is_better: bool
    controls: Mapping[str, Interval] = field(default_factory=dict)
    published: float | None = None
    verdict: Verdict | None = None
    details: Mapping[str, float] = field(default_factory=dict)


def row(
    dataset: str,
    protocol: str,
    metric: str,
    statistic: Statistic,
    seed: int,
    controls: Mapping[str, Statistic] | None = None,
    published: float | None = None,
    details: Mapping[str, float] | None = None,
) -> Row:
    """The row of a metric: intervals for model and controls, and a verdict from the same draws for all.

    Args:
        dataset: name of the set.
        protocol: name of the protocol.
        metric: its name says which way is good.
        statistic: of the model.
        seed: of the draws.
        controls: of the controls by name, on the same images.
        published: see `Row`.
        details: see `Row`.

    Raises:
        DataError: the images do not define a metric, or those of a control are not as many.
    """
    good, against = metric not in LOWER_IS_BETTER, dict(controls or {})
    everyone = (statistic, *against.values())
    values, draws = np.array([value_of(each) for each in everyone]), drawn(everyone, seed)
    found, *theirs = map(within, values.tolist(), draws)
    gains = map(within, (values[0] - values[1:]).tolist(), draws[0] - draws[1:])
    verdicts = {verdict(gain, good, statistic.count) for gain in gains}
    return Row(
        dataset, protocol, metric, found.value, found.low, found.high, statistic.count, good,
        dict(zip(against, theirs, strict=True)), published, _summed_up(verdicts), details or {},
    )  # fmt: skip


def _summed_up(verdicts: set[Verdict]) -> Verdict | None:
    """The worst of them."""
    worst_first: tuple[Verdict, ...] = ("worse", "cannot tell", "better")
    return next((each for each in worst_first if each in verdicts), None)
