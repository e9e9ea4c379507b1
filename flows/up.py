"""`make up`: Prefect's server, MLflow's server and the process that carries out runs, until Ctrl-C.

MLflow is served only where it is a database of this workspace, as it is by default.
"""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dinov2.errors import EXIT_USER_ERROR, ConfigError, UserError
from dinov2.registry.client import SQLITE, artifacts_uri, tracking_uri
from dinov2.settings import Settings, load_settings, workspace
from flows.process import Guarded
from flows.servers import HOST, ServerError, log_of, require_free_port, serving, wait_until_healthy

WATCH_S = 1.0


class Ports(BaseSettings):
    """Where the servers listen, on this machine alone."""

    model_config = SettingsConfigDict(env_prefix="DINOV2_", frozen=True)

    prefect_port: int = Field(4200, ge=1, le=65535)
    mlflow_port: int = Field(5000, ge=1, le=65535)


def load_ports() -> Ports:
    """The ports of this process's environment.

    Raises:
        ConfigError: one is no port.
    """
    try:
        return Ports()
    except ValidationError as error:
        lines = [f"DINOV2_{str(e['loc'][0]).upper()}: {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None


@contextmanager
def services(root: Path, ports: Ports, settings: Settings) -> Iterator[dict[str, Guarded]]:
    """The servers and the worker, by name, all answering; they end with the block, the worker first.

    Raises:
        ConfigError: a port is taken.
        ServerError: one of them does not start.
    """
    require_free_port(ports.prefect_port, "Prefect", "DINOV2_PREFECT_PORT")
    ours = database(settings, root)
    if ours:
        require_free_port(ports.mlflow_port, "MLflow", "DINOV2_MLFLOW_PORT")
    prefect, mlflow = f"http://{HOST}:{ports.prefect_port}", f"http://{HOST}:{ports.mlflow_port}"
    with ExitStack() as stack:
        started: dict[str, Guarded] = {}
        if ours:
            command = _mlflow(ours, artifacts_uri(settings, root), ports.mlflow_port)
            quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            started["mlflow-server"] = stack.enter_context(serving("mlflow-server", command, root, quiet))
        server = serving("prefect-server", _prefect(ports.prefect_port), root)
        started["prefect-server"] = stack.enter_context(server)
        wait_until_healthy(started["prefect-server"], f"{prefect}/api/health", "prefect-server", root)
        worker = serving("worker", [sys.executable, "-m", "flows.serve"], root, {"PREFECT_API_URL": f"{prefect}/api"})
        started["worker"] = stack.enter_context(worker)
        if ours:
            wait_until_healthy(started["mlflow-server"], f"{mlflow}/health", "mlflow-server", root)
        wait_until_healthy(started["worker"], f"{prefect}/api/deployments/name/pipeline/pipeline", "worker", root)
        yield started


def database(settings: Settings, root: Path) -> Path | None:
    """MLflow's SQLite file, when it lies in the workspace; None when `DINOV2_TRACKING` names a place elsewhere."""
    uri = tracking_uri(settings, root)
    path = Path(uri.removeprefix(SQLITE)).resolve()
    return path if uri.startswith(SQLITE) and path.is_relative_to(root.resolve()) else None


def _prefect(port: int) -> list[str]:
    return [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]


def _mlflow(file: Path, artifacts: str, port: int) -> list[str]:
    for folder in (file.parent, *([] if "://" in artifacts else [Path(artifacts)])):
        folder.mkdir(parents=True, exist_ok=True)
    backend = ["--backend-store-uri", f"{SQLITE}{file}"]
    where = ["--host", HOST, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *backend, "--artifacts-destination", artifacts, *where]


def main() -> int:
    """Serve until SIGINT or SIGTERM; 0 then, 1 when a server ends by itself, 2 for the user's own mistake."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell starts background jobs that ignore it
        signal.signal(number, signal.default_int_handler)
    try:
        root, ports, settings = workspace(), load_ports(), load_settings()
        print("Starting (the first time takes longer: databases are made) ...", flush=True)
        with services(root, ports, settings) as started:
            mlflow = f"http://{HOST}:{ports.mlflow_port}" if "mlflow-server" in started else settings.tracking
            print(f"Prefect  http://{HOST}:{ports.prefect_port}   runs, their logs, and the button that starts one")
            print(f"MLflow   {mlflow}   curves, metrics and registered models")
            print("Ctrl-C stops what was started here.", flush=True)
            while all(service.poll() is None for service in started.values()):
                time.sleep(WATCH_S)
            ended = next(name for name, service in started.items() if service.poll() is not None)
            raise ServerError(f"{ended} ended by itself; see {log_of(root, ended)}")
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_USER_ERROR
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 0


if __name__ == "__main__":
    sys.exit(main())
