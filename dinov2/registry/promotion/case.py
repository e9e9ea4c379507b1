"""A promotion that waits for a decision, kept as a run in MLflow: whoever goes on with it finds it there."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinov2.registry.client import connect, experiment_id, waited_for
from dinov2.registry.promotion.comparison import Comparison
from dinov2.registry.promotion.config import PromotionConfig
from dinov2.registry.promotion.verdict import Finding, verdict
from dinov2.settings import Settings
from dinov2.storage import digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KEY = "dinov2.promotion"
STATE = f"{KEY}.state"
WAITING = "waiting"
CASE_FILE = "case.json"
NUMBERS = ("candidate", "champion", "gain", "low", "high", "p")


@dataclass(frozen=True)
class Case:
    """A comparison and the rules that it is judged by.

    Attributes:
        run_id: MLflow's name of the run that keeps it.
        state: "waiting", or how it was decided.
    """

    run_id: str
    state: str
    comparison: Comparison
    rules: PromotionConfig

    @property
    def rules_digest(self) -> str:
        """Names the rules."""
        return digest(self.rules.model_dump(mode="json"))

    @property
    def findings(self) -> list[Finding]:
        """What every rule says."""
        return verdict(self.rules, self.comparison)


def open_case(key: str, comparison: Comparison, rules: PromotionConfig, settings: Settings, root: Path) -> Case:
    """Keep a comparison in MLflow; the same key again is the same case.

    Args:
        key: names the case, letters, digits and dashes.
        comparison: what was measured.
        rules: what it is judged by.
        settings: say where MLflow is.
        root: the workspace, which relative places are taken from.

    Raises:
        UnreachableError, UserError, MlflowException: as `waited_for`.
    """
    client = connect(settings, root)

    def keep() -> Case:
        if kept := _find(client, key, settings, root):
            return kept
        run = _run(client, key, settings, root) or _begin(client, key, comparison, settings, root)
        case = Case(run.info.run_id, WAITING, comparison, rules)
        _log_figures(client, case)
        content = {"comparison": comparison.model_dump(mode="json"), "rules": rules.model_dump(mode="json")}
        client.log_dict(case.run_id, content, CASE_FILE)  # last: a case that has it is whole
        return case

    return waited_for(keep, settings, root)


def find_case(key: str, settings: Settings, root: Path) -> Case | None:
    """The case of a key; None if there is none, or it was not kept whole.

    Raises:
        UnreachableError, UserError, MlflowException: as `waited_for`.
    """
    client = connect(settings, root)
    return waited_for(lambda: _find(client, key, settings, root), settings, root)


def begin(client: "MlflowClient", name: str, tags: Mapping[str, str], settings: Settings, root: Path) -> "Run":
    """A new run for something that is decided."""
    return client.create_run(experiment_id(client, settings, root), tags=dict(tags), run_name=name)


def _begin(client: "MlflowClient", key: str, comparison: Comparison, settings: Settings, root: Path) -> "Run":
    candidate, champion = comparison.candidate, comparison.champion
    tags = {
        KEY: key,
        STATE: WAITING,
        f"{KEY}.model": candidate.model,
        f"{KEY}.candidate": candidate.version,
        f"{KEY}.champion": champion.version if champion else "none",
    }
    return begin(client, f"promote {candidate.model} version {candidate.version}", tags, settings, root)


def _run(client: "MlflowClient", key: str, settings: Settings, root: Path) -> "Run | None":
    found = client.search_runs([experiment_id(client, settings, root)], f"tags.`{KEY}` = '{key}'", max_results=1)
    return found[0] if found else None


def _find(client: "MlflowClient", key: str, settings: Settings, root: Path) -> Case | None:
    run = _run(client, key, settings, root)
    if run is None or CASE_FILE not in [each.path for each in client.list_artifacts(run.info.run_id)]:
        return None
    with tempfile.TemporaryDirectory() as folder:
        text = Path(client.download_artifacts(run.info.run_id, CASE_FILE, folder)).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    comparison = Comparison.model_validate(content["comparison"])
    return Case(run.info.run_id, run.data.tags[STATE], comparison, PromotionConfig.model_validate(content["rules"]))


def _log_figures(client: "MlflowClient", case: Case) -> None:
    from mlflow.entities import Metric

    metrics = [
        Metric(f"{figure.name}.{name}", value, 0, 0)
        for figure in case.comparison.figures
        for name in NUMBERS
        if (value := getattr(figure, name)) is not None
    ]
    for start in range(0, len(metrics), 1000):
        client.log_batch(case.run_id, metrics[start : start + 1000])
