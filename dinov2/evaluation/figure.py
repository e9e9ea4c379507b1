"""A metric of a candidate beside the champion's, as it is compared, judged and kept."""

import re

from pydantic import BaseModel, ConfigDict

from dinov2.evaluation.paired import Difference
from dinov2.evaluation.statistics import Verdict


class Figure(BaseModel):
    """One metric, on one set by one protocol.

    Attributes:
        name: SET.PROTOCOL.METRIC.
        images: test images, queries or clips that it is of.
        candidate: the one model's, in the metric's own unit.
        champion: the other's; None where there is no other, as are the rest.
        gain: how much better the candidate is, on the same images: candidate less champion, of errors the other way.
        low: lower end of the gain's 95% interval.
        high: its upper end.
        p: of there being no difference, by McNemar's test; None of what is no share of images.
        verdict: of such: on the candidate, by the bootstrap over images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    images: int
    candidate: float
    champion: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    verdict: Verdict | None = None

    @property
    def difference(self) -> Difference | None:
        """The gain as a difference; None where there is none, or a part of it is missing."""
        if self.gain is None or self.low is None or self.high is None or (self.p is None and self.verdict is None):
            return None
        return Difference(self.gain, self.low, self.high, self.p)


def name_of(dataset: str, protocol: str, metric: str) -> str:
    """SET.PROTOCOL.METRIC; what MLflow's names may not hold, or would look like another part, becomes `_`."""
    return ".".join(re.sub(r"[^\w\-/ ]", "_", part) for part in (dataset, protocol, metric))


def metric_of(name: str) -> str:
    """The last part of a figure's name, or of a rule's."""
    return name.rpartition(".")[2]
