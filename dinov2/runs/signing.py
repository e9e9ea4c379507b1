"""What ties a registered version to the run that made it: tags, and the receipts that lead to the version."""

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from dinov2.registry.client import connect, waited_for
from dinov2.registry.delivery import DIGEST_TAG
from dinov2.runs.run import Run
from dinov2.settings import Settings
from dinov2.stages import files
from dinov2.stages.graph import Stage, read_graph
from dinov2.storage import digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

RUN, COMMIT, LOCK_SHA256, MODEL = "dinov2.run", "dinov2.commit", "dinov2.dvc_lock_sha256", "dinov2.model"
STAGE = "register"


def sign(run: Run, commit: str, lock_sha256: str, settings: Settings) -> list[str]:
    """Tag the versions that the run registered, unless an earlier run has.

    A receipt that a stage upstream of it has outdated is of another run: its version is not signed.

    Returns:
        The versions that are signed by this run, models:/NAME/VERSION.
    """
    receipts = {path.stem: path for path in sorted((run.root / files.receipt("x")).parent.glob("*.json"))}
    if not receipts:
        return []
    current, client = _current(read_graph(run.root)), connect(settings, run.origin)
    signed = []
    for model, path in receipts.items():
        if f"{STAGE}@{model}" not in current:
            _say(f"{path.name}: stage {STAGE}@{model}, or one that it needs, is out of date; its version is not signed")
            continue
        facts = json.loads(path.read_text(encoding="utf-8"))
        # The run's name last: a version that has it has all.
        tags = {COMMIT: commit, LOCK_SHA256: lock_sha256, RUN: run.name}
        if found := waited_for(partial(_sign, client, facts, tags), settings, run.origin):
            signed.append(f"models:/{found.name}/{found.version}")
    return signed


def _sign(client: "MlflowClient", facts: dict[str, Any], tags: dict[str, str]) -> "ModelVersion | None":
    """The version of a receipt; None where MLflow has none, or another run has signed it."""
    versions = client.search_model_versions(f"name = '{facts['name']}'")
    found = next((each for each in versions if each.tags.get(DIGEST_TAG) == digest(facts)), None)
    if found is None:
        _say(f"{facts['name']}: MLflow has no version with the figures of the receipt; none is signed")
        return None
    if RUN not in found.tags:
        for key, value in tags.items():
            client.set_model_version_tag(found.name, str(found.version), key, value)
    return found if found.tags.get(RUN, tags[RUN]) == tags[RUN] else None


def _current(stages: list[Stage]) -> set[str]:
    """Stages that are up to date, and all that they need."""
    found: set[str] = set()
    for stage in stages:
        if not stage.changed and found.issuperset(stage.upstream):
            found.add(stage.name)
    return found


def _say(text: str) -> None:
    print(f"record: {text}", file=sys.stderr, flush=True)
