"""What `make up` runs: the commands of Prefect's server, MLflow's server and the worker, and what each is told."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from socket import socket

from dinov2.errors import ConfigError
from dinov2.registry.client import POSTGRES, SQLITE, tracking_uri
from dinov2.settings import Settings
from flows import security
from flows.settings import UpSettings


@dataclass(frozen=True)
class Service:
    """A command that serves.

    Attributes:
        name: of it and of its log.
        command: what to run.
        environment: is added to this process's own.
        listening: a socket that becomes its standard input.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(repr=False)  # has secrets
    listening: socket | None = None


def prefect_server(up: UpSettings, listening: socket, secrets: Mapping[str, str]) -> Service:
    """Prefect's server; among `secrets` are those of its database."""
    own = {name: value for name, value in secrets.items() if name.startswith("PREFECT_")}
    told = {**own, **security.prefect_server(up.login, up.prefect), "PREFECT_UI_URL": up.prefect.shown}
    return Service("prefect-server", [sys.executable, "-m", "flows.listen", *up.prefect.names], told, listening)


def mlflow_server(up: UpSettings, database: str, artifacts: str, root: Path) -> Service:
    """MLflow's server on `database`, a URI without a password; makes the folders that are missing."""
    places = [database.removeprefix(SQLITE)] if database.startswith(SQLITE) else []
    for folder in (*(Path(place).parent for place in places), *([] if "://" in artifacts else [Path(artifacts)])):
        folder.mkdir(parents=True, exist_ok=True)
    asking = ["--app-name", "basic-auth"] if up.login else []
    stores = ["--backend-store-uri", database, "--artifacts-destination", artifacts]
    where = ["--host", up.host, "--port", str(up.mlflow_port), "--workers", "1"]
    told = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **security.mlflow_server(up.login, up.mlflow, root)}
    return Service("mlflow-server", [sys.executable, "-m", "mlflow", "server", *stores, *where, *asking], told)


def worker(up: UpSettings, mlflow: str | None) -> Service:
    """The process that carries out runs; `mlflow` is the address that they link to."""
    told = {
        **security.prefect_client(up.login),
        "PREFECT_API_URL": f"{up.prefect.local}/api",
        "PREFECT_UI_URL": up.prefect.shown,
        **({"DINOV2_MLFLOW_URL": mlflow} if mlflow else {}),
    }
    return Service("worker", [sys.executable, "-m", "flows.serve"], told)


def database(settings: Settings, root: Path) -> str | None:
    """The URI of the database that MLflow is served from: SQLite of the workspace, or Postgres.

    None when `DINOV2_TRACKING` names a server elsewhere, or a file that is not the workspace's.

    Raises:
        ConfigError: it is Postgres, and what speaks to it is not installed.
    """
    uri = tracking_uri(settings, root)
    if uri.startswith(POSTGRES):
        if not find_spec("psycopg2"):
            raise ConfigError(f"DINOV2_TRACKING: {uri!r}: psycopg2 is missing: pip install 'dinov2-platform[server]'")
        return uri
    path = Path(uri.removeprefix(SQLITE)).resolve()
    return f"{SQLITE}{path}" if uri.startswith(SQLITE) and path.is_relative_to(root.resolve()) else None


def mlflow_page(up: UpSettings, settings: Settings, served: bool) -> str | None:
    """Where MLflow's page is: here, at the server that `DINOV2_TRACKING` names, or nowhere."""
    if served:
        return up.mlflow.shown
    return settings.tracking if settings.tracking.startswith(("http://", "https://")) else None
