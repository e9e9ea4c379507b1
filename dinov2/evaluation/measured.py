"""What was found on a set, and the rows of the table that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.published import published
from dinov2.evaluation.results import Row, row
from dinov2.evaluation.statistics import Over, Statistic

MODEL, RANDOM, PIXELS = "model", "random", "pixels"
MEAN = "mean"
"""The name that a suite of sets has as a dataset."""


@dataclass(frozen=True)
class Measured:
    """What was found on one set.

    Attributes:
        dataset: its name.
        answers: by who ("model", and the controls "random" and "pixels") and by protocol.
        seconds: likewise, with "features" beside the protocols.
        architecture: the published one that the model has, or None.
    """

    dataset: str
    answers: Mapping[str, Mapping[str, Answer]]
    seconds: Mapping[str, Mapping[str, float]]
    architecture: str | None = None

    def rows(self, seed: int) -> list[Row]:
        """A row for every metric; details stand in that of a protocol's first.

        Args:
            seed: of the draws.
        """
        return [
            row(
                self.dataset, protocol, metric, statistic, seed, self._controls(protocol, metric),
                published(self.dataset, self.architecture, protocol, metric), answer.details if not place else None,
            )
            for protocol, answer in self.answers[MODEL].items()
            for place, (metric, statistic) in enumerate(answer.statistics.items())
        ]  # fmt: skip

    def _controls(self, protocol: str, metric: str) -> dict[str, Statistic]:
        return {who: found[protocol].statistics[metric] for who, found in self.answers.items() if who != MODEL}


def mean_over(parts: Sequence[Measured]) -> Measured | None:
    """The means over several sets of what all of them have: protocols, metrics and controls; None if that is nothing.

    Args:
        parts: at least one.
    """
    shared = [
        (protocol, metric)
        for protocol, answer in parts[0].answers[MODEL].items()
        for metric in answer.statistics
        if all(metric in part.answers[MODEL].get(protocol, Answer({})).statistics for part in parts)
    ]
    if not shared:
        return None
    everyone = [who for who in parts[0].answers if all(who in part.answers for part in parts)]
    answers = {
        who: {
            protocol: Answer({
                metric: Over(tuple(part.answers[who][protocol].statistics[metric] for part in parts))
                for own, metric in shared if own == protocol
            })
            for protocol in dict.fromkeys(protocol for protocol, _ in shared)
        }
        for who in everyone
    }  # fmt: skip
    return Measured(MEAN, answers, {})
