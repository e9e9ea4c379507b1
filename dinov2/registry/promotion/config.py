"""Rules of promotion: `rules.yaml`, section `promotion`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from dinov2.config import Config, parse_section
from dinov2.evaluation.measured import MEAN
from dinov2.registry.figures import ACCURACY

RULES = "rules.yaml"
SECTION = "promotion"
EVERY = "*"


class PromotionConfig(Config):
    """What a candidate must do better than the champion, and what it must not do worse."""

    metric: Annotated[
        str,
        Field(
            pattern=r"^(\*|[a-z0-9][a-z0-9_-]*)\.[a-z0-9_]+\.[\w\-/ ]+$",
            description="SET.PROTOCOL.METRIC; * for the set stands for the mean over all sets",
        ),
    ] = f"{EVERY}.knn.{ACCURACY}"
    minimum_gain: float = Field(
        0.0, ge=-1, le=1, description="least gain of the metric; 0.01 is a percentage point, or a centimetre"
    )
    tolerance: float = Field(0.02, ge=0, le=1, description="most that any single accuracy may lose")
    judged_by: Literal["difference", "interval"] = Field(
        "difference", description="what must keep to the limits: the difference, or its 95% interval as a whole"
    )

    def measures(self, name: str) -> bool:
        """Whether a figure of this name is the metric, or part of it."""
        dataset, _, rest = self.metric.partition(".")
        own, _, figure = name.partition(".")
        return name == self.metric or (dataset == EVERY and own != MEAN and figure == rest)


def load_rules(root: Path) -> PromotionConfig:
    """The rules of a workspace.

    Raises:
        ConfigError: `rules.yaml` or the section is missing, or a rule is none.
    """
    return parse_section(PromotionConfig, root / RULES, SECTION)
