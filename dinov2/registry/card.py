"""The model card: what a registered backbone is, how good, and how it is used; Markdown."""

from pathlib import Path
from typing import Any

import jinja2

TEMPLATE = Path(__file__).with_name("card.md.jinja")


def model_card(facts: dict[str, Any]) -> str:
    """The card of a backbone.

    Args:
        facts: `name`, `model`, `architecture`, `parameters`, `embed_dim`, `resolution`, `weights_sha256`, and `metrics`
            as `dinov2.evaluation.suite.evaluate` returns them.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(facts, score=_score, percent=_percent)


def _score(score: dict[str, float]) -> str:
    return f"{_percent(score['accuracy'])} ({_percent(score['low'])}–{_percent(score['high'])})"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
