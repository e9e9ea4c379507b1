"""How sure a metric is, and whether one model's is better than another's: images drawn again and again."""

from dinov2.evaluation.statistics.bootstrap import Interval, drawn, interval, within
from dinov2.evaluation.statistics.paired import Difference, Verdict, difference, verdict
from dinov2.evaluation.statistics.statistic import Mean, Over, Statistic, value_of

__all__ = [
    "Difference", "Interval", "Mean", "Over", "Statistic", "Verdict",
    "difference", "drawn", "interval", "value_of", "verdict", "within",
]  # fmt: skip
