"""Where MLflow is, as the settings say, seen from the workspace."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dinov2.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "dinov2"
SQLITE = "sqlite:///"


def tracking_uri(settings: Settings, root: Path) -> str:
    """The URI of MLflow's tracking and registry; a relative SQLite file is taken from `root`."""
    uri = settings.tracking
    if uri.startswith(SQLITE):
        return f"{SQLITE}{root / uri.removeprefix(SQLITE)}"
    return uri


def connect(settings: Settings, root: Path) -> "MlflowClient":
    """A client of MLflow; makes the SQLite database when there is none yet, which takes some seconds.

    Raises:
        MlflowException: it cannot be reached.
    """
    # A server that does not answer is given up soon: what it should have had is kept and sent again.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = tracking_uri(settings, root)
    if uri.startswith(SQLITE) and not (database := Path(uri.removeprefix(SQLITE))).exists():
        database.parent.mkdir(parents=True, exist_ok=True)
        print(f"making the tracking database {database}", file=sys.stderr, flush=True)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def experiment_id(client: "MlflowClient", settings: Settings, root: Path) -> str:
    """The experiment of all runs, made when there is none; without a server its artifacts are kept under `root`."""
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(EXPERIMENT):
        return found.experiment_id
    embedded = tracking_uri(settings, root).startswith(SQLITE)
    try:
        return client.create_experiment(EXPERIMENT, str(root / settings.artifacts) if embedded else None)
    except MlflowException:
        if found := client.get_experiment_by_name(EXPERIMENT):  # another process was first
            return found.experiment_id
        raise
