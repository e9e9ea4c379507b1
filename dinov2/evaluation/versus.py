"""A model against another on the same images, metric by metric."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dinov2.evaluation import printed
from dinov2.evaluation.measured import MODEL, Measured
from dinov2.evaluation.results import LOWER_IS_BETTER
from dinov2.evaluation.statistics import Difference, difference, value_of
from dinov2.evaluation.table import columns


@dataclass(frozen=True)
class Versus:
    """One metric of two models.

    Attributes:
        dataset: name of the set.
        protocol: name of the protocol.
        metric: name of the metric.
        ours: of the one model.
        theirs: of the other.
        difference: ours less theirs, and the verdict on ours.
    """

    dataset: str
    protocol: str
    metric: str
    ours: float
    theirs: float
    difference: Difference


def versus(ours: Measured, theirs: Measured, seed: int) -> list[Versus]:
    """Every metric of two models that were judged by the same protocols on the same set.

    Args:
        ours: of the one model.
        theirs: of the other.
        seed: of the draws.

    Raises:
        DataError: they are not of the same number of images.
    """
    found = []
    for protocol, answer in ours.answers[MODEL].items():
        for metric, own in answer.statistics.items():
            other = theirs.answers[MODEL][protocol].statistics[metric]
            by = difference(own, other, seed, metric not in LOWER_IS_BETTER)
            found.append(Versus(ours.dataset, protocol, metric, value_of(own), value_of(other), by))
    return found


def against(rows: Sequence[Versus], ours: str, theirs: str) -> Iterator[str]:
    """A line for each metric under a header.

    Args:
        rows: what was found.
        ours: name of the one model.
        theirs: of the other.
    """
    cells = [["dataset", "protocol", "metric", ours, theirs, "difference", "verdict"]]
    for row in rows:
        by = row.difference
        values = [printed.number(row.metric, each) for each in (row.ours, row.theirs)]
        gain = f"{printed.signed(row.metric, by.value)} [{printed.reach(row.metric, by.low, by.high)}]"
        cells.append([row.dataset, row.protocol, row.metric, *values, gain, by.verdict])
    yield from columns(cells)
