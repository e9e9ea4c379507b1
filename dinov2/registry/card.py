"""The model card: what a registered backbone is, how good, and how it is used; Markdown."""

from pathlib import Path
from typing import Any

import jinja2

TEMPLATE = Path(__file__).with_name("card.md.jinja")


def model_card(facts: dict[str, Any], results: str) -> str:
    """The card of a backbone.

    Args:
        facts: `name`, `model`, `architecture`, `parameters`, `embed_dim`, `resolution` and `weights_sha256`.
        results: of its evaluation, as `dinov2.evaluation.report.markdown` writes them.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(facts, results=results.strip())
