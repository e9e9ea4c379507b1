"""A metric as bars: the model, its controls and what was published, on one scale."""

from dataclasses import dataclass

from dinov2.evaluation import printed
from dinov2.evaluation.measured import MODEL
from dinov2.evaluation.results import METRES, RATIOS, Row
from dinov2.evaluation.versus import Versus


@dataclass(frozen=True)
class Bar:
    """One bar; lengths are in per cent of the track.

    Attributes:
        label: whose it is.
        text: the value, written.
        length: of the bar.
        low: where the interval begins.
        width: of the interval.
        control: whether it is of anything but the model.
    """

    label: str
    text: str
    length: float
    low: float
    width: float
    control: bool


def bars(row: Row, versus: Versus | None = None) -> list[Bar]:
    """The bars of a metric, the model's first. Shares go up to 1, what has a unit up to the largest of them.

    Args:
        row: the metric.
        versus: the same metric of another model; None draws no bar of it.
    """
    entries = [(MODEL, row.value, row.low, row.high, False)]
    if versus:
        entries.append(("other", versus.theirs, versus.theirs, versus.theirs, True))
    entries += [(name, each.value, each.low, each.high, True) for name, each in row.controls.items()]
    if row.published is not None:
        entries.append(("published", row.published, row.published, row.published, True))
    most = max(max(value, high) for _, value, _, high, _ in entries)
    scale = 100 / (max(most, 1e-12) if row.metric in METRES | RATIOS or most > 1 else 1.0)
    return [
        Bar(name, printed.value(row.metric, value), scale * value, scale * low, scale * (high - low), control)
        for name, value, low, high, control in entries
    ]
