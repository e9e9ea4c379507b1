"""`make up`: Prefect's server, MLflow's server and the process that carries out runs, until Ctrl-C."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dinov2.errors import EXIT_USER_ERROR, ConfigError, UserError
from dinov2.settings import load_settings, workspace
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
def services(root: Path, ports: Ports) -> Iterator[dict[str, Guarded]]:
    """Both servers and the worker, by name, all answering; they end with the block, the worker first.

    Raises:
        ConfigError: a port is taken.
        ServerError: one of them does not start.
    """
    require_free_port(ports.prefect_port, "Prefect", "DINOV2_PREFECT_PORT")
    require_free_port(ports.mlflow_port, "MLflow", "DINOV2_MLFLOW_PORT")
    prefect, mlflow = f"http://{HOST}:{ports.prefect_port}", f"http://{HOST}:{ports.mlflow_port}"
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(serving(name, command, root, environment))
            for name, command, environment in (
                ("mlflow-server", _mlflow(root, ports.mlflow_port), {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}),
                ("prefect-server", _prefect(ports.prefect_port), {}),
            )
        }
        wait_until_healthy(started["prefect-server"], f"{prefect}/api/health", "prefect-server", root)
        worker = serving("worker", [sys.executable, "-m", "flows.serve"], root, {"PREFECT_API_URL": f"{prefect}/api"})
        started["worker"] = stack.enter_context(worker)
        wait_until_healthy(started["mlflow-server"], f"{mlflow}/health", "mlflow-server", root)
        wait_until_healthy(started["worker"], f"{prefect}/api/deployments/name/pipeline/pipeline", "worker", root)
        yield started


def _prefect(port: int) -> list[str]:
    return [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]


def _mlflow(root: Path, port: int) -> list[str]:
    artifacts = root / load_settings().artifacts
    artifacts.mkdir(parents=True, exist_ok=True)
    backend = ["--backend-store-uri", f"sqlite:///{root / 'var' / 'mlflow.db'}"]
    where = ["--host", HOST, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *backend, "--artifacts-destination", str(artifacts), *where]


def main() -> int:
    """Serve until SIGINT or SIGTERM; 0 then, 1 when a server ends by itself, 2 for the user's own mistake."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell starts background jobs that ignore it
        signal.signal(number, signal.default_int_handler)
    try:
        root, ports = workspace(), load_ports()
        print("Starting Prefect and MLflow (the first time takes longer: their databases are made) ...", flush=True)
        with services(root, ports) as started:
            print(f"Prefect  http://{HOST}:{ports.prefect_port}   runs, their logs, and the button that starts one")
            print(f"MLflow   http://{HOST}:{ports.mlflow_port}   curves, metrics and registered models")
            print("Ctrl-C stops both.", flush=True)
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
