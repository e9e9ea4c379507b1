"""An accuracy of a candidate beside the champion's, as it is compared, judged and kept."""

from pydantic import BaseModel, ConfigDict

from dinov2.evaluation.paired import Difference


class Figure(BaseModel):
    """One accuracy, on one set by one protocol.

    Attributes:
        name: SET.PROTOCOL.accuracy.
        images: test images that it is of.
        candidate: the one model's, in [0, 1].
        champion: the other's; None where there is no other, as are the rest.
        gain: candidate less champion, on the same images.
        low: lower end of the gain's 95% interval.
        high: its upper end.
        p: of there being no difference, by McNemar's test.
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

    @property
    def difference(self) -> Difference | None:
        """The gain as a difference; None where there is none, or a part of it is missing."""
        if self.gain is None or self.low is None or self.high is None or self.p is None:
            return None
        return Difference(self.gain, self.low, self.high, self.p)
