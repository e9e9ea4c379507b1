"""When a re-curation is worth a training: `rules.yaml`, section `retraining`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from dinov2.config import Config, parse_section
from dinov2.runs.quality import RULES

SECTION = "retraining"


class RetrainingConfig(Config):
    """How far the embeddings of the training set must have moved: enough to matter, and not by chance."""

    frechet: float = Field(ge=0, description="least squared Fréchet distance; vectors have length 1, so 4 is the most")
    p: float = Field(gt=0, le=1, description="how often samples of one distribution may differ as much, at most")


def load_rules(root: Path) -> RetrainingConfig:
    """The threshold of a workspace.

    Raises:
        ConfigError: `rules.yaml` or the section is missing, or a limit is none.
    """
    return parse_section(RetrainingConfig, root / RULES, SECTION)


def worth_training(rules: RetrainingConfig, summary: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the drift is past the threshold, and the figures that say so.

    A drift that was not measured is past none.

    Args:
        rules: the threshold.
        summary: what `dinov2 diff` has written.
    """
    drift = summary.get("drift")
    if not isinstance(drift, Mapping):
        return False, f"the drift is not measured: {summary.get('no_drift_because', 'no reason is given')}"
    figures = [drift.get(name) for name in ("frechet", "mmd2_p")]
    if not all(isinstance(figure, int | float) for figure in figures):
        return False, "the drift lacks a figure: frechet and mmd2_p are needed"
    frechet, p = map(float, figures)  # type: ignore[arg-type]
    told = f"Fréchet distance {frechet:.4g}, asked for at least {rules.frechet:.4g}; p {p:.3g}, at most {rules.p:.3g}"
    return frechet >= rules.frechet and p <= rules.p, told
