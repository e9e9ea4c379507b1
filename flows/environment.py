"""Defaults of the environment for Prefect, MLflow and DVC: everything local, nothing reported to anyone."""

import os
from pathlib import Path


def set_defaults() -> None:
    """Set what the user has not set; Prefect reads its settings when it is imported, so this comes before that."""
    home = Path.cwd() / "var" / "prefect"
    home.parent.mkdir(exist_ok=True)
    defaults = {
        # Prefect's database and its other files: a later `make up` shows the runs made without a server.
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        # What a stage says is shown as it says it; Prefect's own remarks only when something is wrong.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
