"""Servers as guarded children: Prefect's temporary one for a single run, and waiting until one answers."""

import atexit
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.process import Guarded

HOST = "127.0.0.1"
START_TIMEOUT_S = 180.0
POLL_S = 0.1


class ServerError(RuntimeError):
    """A server ended or did not answer in time; the message names its log."""


def ensure_prefect(root: Path) -> None:
    """Make sure that there is a Prefect API: the server that PREFECT_API_URL names, else a temporary one.

    The temporary one is what Prefect itself would start, and shares the database with a later `make up`, but it is
    guarded: Prefect's own stays behind for ever when the flow is killed. It ends when this process does, after Prefect
    has sent it the last of the logs.

    Raises:
        ServerError: the temporary server does not start.
    """
    if PREFECT_API_URL.value():
        return
    print("Starting Prefect ...", flush=True)
    port = _any_free_port()
    factory = "prefect.server.api.server:create_app"
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, "--host", HOST, "--port", str(port)]
    environment = {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1", "PREFECT_UI_ENABLED": "0"}
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    server = until_exit.enter_context(serving("prefect", [*command, "--log-level", "error"], root, environment))
    wait_until(lambda: answers(f"http://{HOST}:{port}/api/health"), server, "prefect", root)
    until_exit.enter_context(temporary_settings({PREFECT_API_URL: f"http://{HOST}:{port}/api"}))


@contextmanager
def serving(name: str, command: list[str], root: Path, environment: dict[str, str] | None = None) -> Iterator[Guarded]:
    """Run the server `command` while the block runs; what it says goes to `var/logs/NAME.log`."""
    log = log_of(root, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output, Guarded(command, output, root, environment) as server:
        yield server


def wait_until(ready: Callable[[], bool], server: Guarded, name: str, root: Path) -> None:
    """Wait until `server` is `ready`.

    Raises:
        ServerError: it ended, or three minutes went by.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if server.poll() is not None:
            raise ServerError(f"{name} ended with exit code {server.poll()}; see {log_of(root, name)}")
        if time.monotonic() > deadline:
            raise ServerError(f"{name} did not start in {START_TIMEOUT_S:.0f} s; see {log_of(root, name)}")
        time.sleep(POLL_S)


def answers(url: str) -> bool:
    """Whether `url` answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def log_of(root: Path, name: str) -> Path:
    """Where the output of the server or stage `name` goes."""
    return root / "var" / "logs" / f"{name}.log"


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
