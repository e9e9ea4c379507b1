"""What is noted with a model's version about decisions, for those who look at it in MLflow."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

DECISION_TAG = "dinov2.decision"
DECISION_FILE = "decision.json"


def note(client: "MlflowClient", model: str, version: str, moment: str, said: str, run_id: str) -> None:
    """Add a sentence to what was decided about a version; nothing that was noted before is changed."""
    client.set_model_version_tag(model, version, f"{DECISION_TAG}.{moment}.{run_id[:8]}", f"{said} (run {run_id})")


def now() -> str:
    """UTC, as a tag's name can hold it; two decisions are never of one moment, and their names sort as they came."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%fZ")


def spelt(version: str | None) -> str:
    """A version in words, also when there is none."""
    return f"version {version}" if version else "no version"
