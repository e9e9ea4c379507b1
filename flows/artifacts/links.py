"""Where to look further: MLflow's pages, the report, the log."""

import re
from collections.abc import Sequence
from pathlib import Path

from dinov2.settings import Settings
from dinov2.stages import files
from flows.artifacts.figures import content
from flows.artifacts.markdown import code, link, text
from flows.servers import log_of

RUN = re.compile(r"tracking: (.+): MLflow run ([0-9a-f]{32})")
"""What a stage says when MLflow has a run for its work."""


def mlflow_pages(settings: Settings) -> str:
    """The address of MLflow's pages; empty if it has none."""
    served = settings.tracking if settings.tracking.startswith(("http://", "https://")) else ""
    return (settings.mlflow_url or served).rstrip("/")


def links(root: Path, stage: str, said: Sequence[str], settings: Settings) -> list[str]:
    """Lines of Markdown for a stage.

    Args:
        root: the workspace.
        stage: as `dvc repro` takes it.
        said: lines of its log.
        settings: say where MLflow is.
    """
    pages = mlflow_pages(settings)
    runs = {found[2]: found[1] for line in said if (found := RUN.search(line))}
    lines = [
        f"MLflow run {link(name, f'{pages}/#/runs/{run}')}" if pages else f"MLflow run {text(name)}: {code(run)}"
        for run, name in runs.items()
    ]
    if model := content(root, stage).get("name") if stage.startswith("register@") else None:
        lines.append(_registered(str(model), said, pages))
    if stage == "report" and (root / files.REPORT).is_file():
        lines.append(f"Report: {code(root / files.REPORT)}")
    return [*lines, f"Whole log: {code(log_of(root, stage))}"]


def _registered(model: str, said: Sequence[str], pages: str) -> str:
    """The version that a stage says it has registered; of one that DVC's cache had, the model."""
    version = next((found[1] for line in said if (found := re.search(rf"{re.escape(model)} version (\d+)", line))), "")
    name, page = (f"{model} {version}", f"{model}/versions/{version}") if version else (model, model)
    return f"Registered model {link(name, f'{pages}/#/models/{page}') if pages else code(name)}"
