"""Servers as guarded children: Prefect's temporary one for a single run, and waiting until one answers."""

import atexit
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.addresses import Address
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
    told = {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT_UI_ENABLED": "0", "PREFECT_SERVER_LOGGING_LEVEL": "ERROR"}
    command, log = [sys.executable, "-m", "flows.listen", HOST], log_of(root, "prefect")
    log.parent.mkdir(parents=True, exist_ok=True)
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    with Address(HOST, 0).listen("Prefect", "PREFECT_API_URL") as listening, log.open("wb") as output:
        url = f"http://{HOST}:{listening.getsockname()[1]}/api"
        server = until_exit.enter_context(Guarded(command, output, root, told, stdin=listening))
    wait_until(lambda: answers(f"{url}/health"), server, "prefect", root)
    until_exit.enter_context(temporary_settings({PREFECT_API_URL: url}))


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
