"""Where MLflow is, as the settings say, seen from the workspace."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dinov2.errors import UserError
from dinov2.settings import Settings
from dinov2.storage import retried

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")
EXPERIMENT = "dinov2"
SQLITE = "sqlite:///"
POSTGRES = ("postgresql:", "postgresql+")
PASSING = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
"""What MLflow's client calls a server that does not answer, or says that it cannot."""


def tracking_uri(settings: Settings, root: Path) -> str:
    """The URI of MLflow's tracking and registry; a relative SQLite file is taken from `root`."""
    uri = settings.tracking
    if uri.startswith(SQLITE):
        return f"{SQLITE}{root / uri.removeprefix(SQLITE)}"
    return uri


def artifacts_uri(settings: Settings, root: Path) -> str:
    """Where MLflow keeps artifacts when it has no server elsewhere; a relative folder is taken from `root`."""
    return settings.artifacts if "://" in settings.artifacts else str(root / settings.artifacts)


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
    embedded = tracking_uri(settings, root).startswith((SQLITE, *POSTGRES))
    try:
        return client.create_experiment(EXPERIMENT, artifacts_uri(settings, root) if embedded else None)
    except MlflowException:
        if found := client.get_experiment_by_name(EXPERIMENT):  # another process was first
            return found.experiment_id
        raise


def waited_for(action: Callable[[], T], settings: Settings, root: Path) -> T:
    """Do `action`, which may be done several times; MLflow is waited for while it is away, two minutes.

    Raises:
        UnreachableError: it stays away.
        UserError: the keys of its artifacts are wrong, or their place is full.
        MlflowException: it refuses.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import ClientError
    from mlflow.exceptions import MlflowException

    def attempt() -> T:
        try:
            return action()
        except MlflowException as error:
            if error.error_code in PASSING and _of_the_server(error):
                raise ConnectionError(error.message) from error
            raise
        except Boto3Error as error:  # of an upload, which does not chain what S3 answered
            if isinstance(error.__context__, ClientError):
                raise error.__context__ from None
            raise UserError(f"{artifacts_uri(settings, root)}: {error}") from error

    return retried(attempt, tracking_uri(settings, root))


def _of_the_server(error: BaseException | None) -> bool:
    """Whether a server answered so, or none did: MLflow's own faults on this side have the same code."""
    from mlflow.exceptions import RestException
    from requests import RequestException

    while error and not isinstance(error, RestException | RequestException):
        error = error.__cause__ or error.__context__
    return error is not None
