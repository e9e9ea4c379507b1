"""`make up` in a small workspace, and what a user does with it through its addresses."""

import base64
import json
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from flows.addresses import Address
from flows.servers import answers, wait_until
from flows.services import prefect_server
from flows.settings import UpSettings
from flows.supervision import Supervised
from tests.flows.conftest import Workspace, wait_for

ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
SOON = {"PREFECT_RUNNER_POLL_FREQUENCY": "1", "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5"}
"""How often a worker asks for runs, and one that waits for its turn is looked at: ten and thirty seconds else."""
COMMANDS = {"prefect-server": "flows.listen", "worker": "flows.serve", "mlflow-server": "mlflow"}


def free_ports() -> dict[str, str]:
    """Two ports that nobody listens at, as settings."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return {"DINOV2_PREFECT_PORT": str(one.getsockname()[1]), "DINOV2_MLFLOW_PORT": str(other.getsockname()[1])}


@contextmanager
def prefect(root: Path) -> Iterator[str]:
    """The URL of the API of a Prefect server, with an empty database and logs in `root`, until the block ends."""
    with Address("127.0.0.1", 0).listen("Prefect", "X") as listening:
        address = UpSettings(prefect_port=listening.getsockname()[1])
        url = f"{address.prefect.local}/api"
        secrets = {"PREFECT_HOME": str(root / "prefect"), "PREFECT_API_URL": url}
        with Supervised(prefect_server(address, listening, secrets), root) as running:
            wait_until(lambda: answers(f"{url}/health"), running.process, "prefect-server", root)
            yield url


class Up:
    """Servers and a worker, ready; requests are made with `login`, if there is one."""

    def __init__(
        self, workspace: Workspace, process: subprocess.Popen[str], ports: dict[str, str], login: str = ""
    ) -> None:
        """Of a started `flows.up`."""
        self.workspace, self.process, self.login = workspace, process, login
        self.api = f"http://127.0.0.1:{ports['DINOV2_PREFECT_PORT']}/api"
        self.mlflow = f"http://127.0.0.1:{ports['DINOV2_MLFLOW_PORT']}"
        self.output = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, url: str, body: Any = None, method: str | None = None, login: str | None = None) -> Any:
        """The answer to a request; `url` without a host is Prefect's API. With `login=""` nobody is named."""
        data = None if body is None else json.dumps(body).encode()
        where = url if url.startswith("http") else f"{self.api}{url}"
        request = urllib.request.Request(where, data, {"Content-Type": "application/json"}, method=method)
        if who := self.login if login is None else login:
            request.add_header("Authorization", f"Basic {base64.b64encode(who.encode()).decode()}")
        answer = _answer(request)
        return json.loads(answer) if answer.startswith((b"{", b"[")) else answer.decode()

    def status(self, url: str, login: str | None = None, **headers: str) -> int:
        """The status of the answer to a GET."""
        request = urllib.request.Request(url if url.startswith("http") else f"{self.api}{url}", headers=headers)
        if who := self.login if login is None else login:
            request.add_header("Authorization", f"Basic {base64.b64encode(who.encode()).decode()}")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def headers(self, url: str) -> dict[str, str]:
        """Of the answer to a GET, their names in lower case."""
        with urllib.request.urlopen(url, timeout=60) as response:
            return {name.lower(): value for name, value in response.headers.items()}

    def create(self, deployment: str, **parameters: Any) -> str:
        """Create a run, as the page's button does; its identifier."""
        found = self.ask(f"/deployments/name/{deployment}")
        created = self.ask(f"/deployments/{found['id']}/create_flow_run", {"parameters": parameters})
        return str(created["id"])

    def retry(self, run: str) -> str:
        """Retry a run, as the page's button does; what the server says to it."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
        return str(self.ask(f"/flow_runs/{run}/set_state", {"state": state})["status"])

    def run(self, identifier: str) -> dict[str, Any]:
        """A run, as the API tells it."""
        return dict(self.ask(f"/flow_runs/{identifier}"))

    def state(self, run: str) -> str:
        """The type of its state."""
        return str(self.run(run)["state"]["type"])

    def wait_for_end(self, run: str, seconds: float = 180) -> dict[str, Any]:
        """Wait until the run has ended; its state."""
        wait_for(lambda: self.state(run) in ENDS, seconds)
        return dict(self.run(run)["state"])

    def process_of(self, name: str) -> psutil.Process:
        """The process that a service consists of, not its guard."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            command = process.cmdline()
            if len(command) > 2 and command[1:3] == ["-m", COMMANDS[name]]:
                return process
        raise AssertionError(f"{name} does not run")

    def kill(self, name: str) -> None:
        """SIGKILL a service, and wait until it has been told of."""
        before = self.output.count(f"{name} died of SIGKILL")
        self.process_of(name).kill()
        wait_for(lambda: self.output.count(f"{name} died of SIGKILL") > before, seconds=40)

    def stop(self) -> str:
        """Ctrl-C; everything ends. What `make up` printed."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 0, self.output
        assert time.monotonic() - started < 40
        assert self.workspace.processes() == []
        return self.output

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line


def _answer(request: urllib.request.Request) -> bytes:
    """Of a server that may be busy for moments, as SQLite is when many write."""
    for _ in range(10):
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(1)
    raise AssertionError(f"{request.full_url}: busy")


@contextmanager
def up(workspace: Workspace, login: str = "", **environment: str) -> Iterator[Up]:
    """`make up` in `workspace` until the block ends; it is stopped there if it was not before."""
    ports = free_ports()
    secret = {"DINOV2_LOGIN": login} if login else {}
    with workspace.start("-m", "flows.up", **ports, **SOON, **environment, **secret) as process:
        running = Up(workspace, process, ports, login)
        try:
            wait_for(lambda: "Ctrl-C" in running.output or process.poll() is not None, seconds=300)
            assert process.poll() is None, running.output
            yield running
            if process.poll() is None:
                running.stop()
        finally:
            if process.poll() is None:
                process.kill()
