"""What every protocol answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dinov2.evaluation.statistics import Statistic


@dataclass(frozen=True)
class Answer:
    """What a protocol found.

    Attributes:
        statistics: by name of the metric, the headline first.
        details: further numbers by name: what was chosen on held-out images, what was left out.
    """

    statistics: Mapping[str, Statistic]
    details: Mapping[str, float] = field(default_factory=dict)
