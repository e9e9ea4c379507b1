"""Defaults of the environment for Prefect, MLflow and DVC: everything local, nothing reported to anyone."""

import os
import warnings
from pathlib import Path


def set_defaults() -> None:
    """Set what the user has not set; Prefect reads its settings when it is imported, so this comes before that."""
    home = Path.cwd() / "var" / "prefect"
    # Who has something to write there makes its parent, too; an import makes nothing.
    warnings.filterwarnings("ignore", "Failed to create the Prefect home directory")
    defaults = {
        # Prefect's database and its other files: a later `make up` shows the runs made without a server.
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        # A server that starts again knows whose turn it is. Kept in memory, as by default, that is forgotten, and
        # Prefect ends every run that has a concurrency limit some minutes after.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Runs wait some two minutes for a server that is away, or whose disk is full.
        "PREFECT_CLIENT_MAX_RETRIES": "6",
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
        # Seconds, Prefect's least: see automations/zombies.py.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        # Bytes. What a form takes is bounded by its fields, and only they can say which of them has too much.
        "PREFECT_SERVER_API_MAX_PARAMETER_SIZE": str(4 * 2**20),
        # What a stage says is shown as it says it; Prefect's own remarks only when something is wrong.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
