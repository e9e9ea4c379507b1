"""`make up`: Prefect's server, MLflow's server and the process that carries out runs, until Ctrl-C.

Each is started again when it dies; runs go on meanwhile, and wait for the server. MLflow is served only where it is a
database: of this workspace, as it is by default, or Postgres.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from dinov2.errors import EXIT_USER_ERROR, UserError
from dinov2.registry.client import artifacts_uri
from dinov2.settings import Settings, load_settings, workspace
from flows import automations
from flows.deployed import find, listed
from flows.lossy import spare_output
from flows.servers import ServerError, answers, wait_until
from flows.services import database, mlflow_page, mlflow_server, prefect_server, worker
from flows.settings import UpSettings, load_up_settings, take_servers_secrets
from flows.supervision import Supervised
from flows.trouble import Trouble

WATCH_S = 1.0


@contextmanager
def services(root: Path, up: UpSettings, settings: Settings) -> Iterator[list[Supervised]]:
    """The servers and the worker, all ready, and the server's automations settled; they end with the block.

    Raises:
        ConfigError: a port or address cannot be had, or a setting does not fit what there is.
        ServerError: one of them does not start.
    """
    names = listed(root)
    store, secrets = database(settings, root), take_servers_secrets()
    with ExitStack() as stack:
        listening = stack.enter_context(up.prefect.listen("Prefect", "DINOV2_PREFECT_PORT"))
        running: list[Supervised] = []
        if store:
            up.mlflow.listen("MLflow", "DINOV2_MLFLOW_PORT").close()  # it opens its own
            mlflow = mlflow_server(up, store, artifacts_uri(settings, root), root)
            running.append(stack.enter_context(Supervised(mlflow, root)))
        prefect = prefect_server(up, listening, secrets)
        running.append(stack.enter_context(Supervised(prefect, root)))
        _wait(running[-1], f"{up.prefect.local}/api/health", root)
        began = datetime.now(UTC)
        serving = worker(up, mlflow_page(up, settings, served=bool(store)))
        running.append(stack.enter_context(Supervised(serving, root)))
        if store:
            _wait(running[0], f"{up.mlflow.local}/health", root)
        with _client(up) as client:
            wait_until(lambda: _is_served(client, names, began), running[-1].process, "worker", root)
            automations.apply(client, root, up)
        yield running


def _wait(service: Supervised, url: str, root: Path) -> None:
    wait_until(lambda: answers(url), service.process, service.name, root)


@contextmanager
def _client(up: UpSettings) -> Iterator[SyncPrefectClient]:
    told = {PREFECT_API_URL: f"{up.prefect.local}/api"}
    login = {PREFECT_API_AUTH_STRING: up.login.get_secret_value()} if up.login else {}
    try:
        with temporary_settings(told | login), get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPError as error:
        raise ServerError(f"Prefect's server at {up.prefect.local} does not answer as it should: {error}") from error


def _is_served(client: SyncPrefectClient, names: set[str], began: datetime) -> bool:
    """Whether a worker that has started since `began` asks for runs of the deployments `names`."""
    asked = (each.last_polled for each in find(client, names).values())
    return sum(bool(when and when >= began) for when in asked) == len(names)


def main() -> int:
    """Serve until SIGINT or SIGTERM; 0 then, 1 when a service dies again and again, 2 for the user's own mistake."""
    spare_output()
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell starts background jobs that ignore it
        signal.signal(number, signal.default_int_handler)
    try:
        root, up, settings = workspace(), load_up_settings(), load_settings()
        print("Starting (the first time takes longer: databases are made) ...", flush=True)
        with services(root, up, settings) as running:
            mlflow = mlflow_page(up, settings, served="mlflow-server" in {service.name for service in running})
            print(f"Prefect  {up.prefect.shown}   runs, their logs, and the button that starts one")
            print(f"MLflow   {mlflow or settings.tracking}   curves, metrics and registered models")
            if up.login:
                print("Both ask for the user and password of DINOV2_LOGIN.")
            print("Ctrl-C stops what was started here.", flush=True)
            watched: list[Supervised | Trouble] = [
                *running,
                Trouble(root, Path(os.environ["PREFECT_HOME"]) / "prefect.db"),
            ]
            while True:
                for each in watched:
                    each.look()
                time.sleep(WATCH_S)
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
