"""A service that dies is started again, a little later each time, and given up when it dies again and again."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows import supervision
from flows.servers import ServerError
from flows.services import Service
from flows.supervision import Supervised
from tests.flows.conftest import wait_for

SERVICE = "import os, time; print('began', os.getpid(), flush=True); time.sleep(60)"
ECHO = """
import os, socket, sys
with socket.socket(fileno=0) as listening:
    while True:
        caller, _ = listening.accept()
        with caller:
            caller.sendall(str(os.getpid()).encode())
"""


def _service(script: str, listening: socket.socket | None = None) -> Service:
    return Service("worker", [sys.executable, "-c", script], {}, listening)


def _pids(service: Supervised) -> list[int]:
    return [int(line.split()[1]) for line in service.log.read_text().splitlines()]


def test_a_killed_service_is_started_again_and_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "DELAYS_S", (0.1,))
    with Supervised(_service(SERVICE), tmp_path) as service:
        wait_for(lambda: service.log.read_text())
        os.kill(_pids(service)[0], signal.SIGKILL)
        wait_for(lambda: (service.look(), len(_pids(service)) == 2)[1])
        told = capsys.readouterr().out
        assert told == f"worker died of SIGKILL; it is started again in 0.1 s; see {service.log}\n"
        second = psutil.Process(_pids(service)[1])
    wait_for(lambda: not second.is_running(), seconds=5)


def test_a_service_that_dies_again_and_again_is_given_up_with_its_log_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "DELAYS_S", (0.01, 0.02))
    with Supervised(_service("print('no such database'); raise SystemExit(3)"), tmp_path) as service:

        def look_for_long() -> None:
            for _ in range(2000):
                service.look()
                time.sleep(0.005)

        with pytest.raises(ServerError, match=r"worker died 3 times in a row, now of exit code 3; see .*worker\.log"):
            look_for_long()
        assert service.log.read_text() == "no such database\n" * 3, "all of what it said is kept"
    assert capsys.readouterr().out.count("started again") == 2


def test_a_service_that_was_well_for_long_starts_over_with_the_shortest_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "DELAYS_S", (0.01, 60))
    monkeypatch.setattr(supervision, "STEADY_S", 0.0)
    with Supervised(_service("pass"), tmp_path) as service:
        told: list[str] = []

        def died_thrice() -> bool:
            service.look()
            told.extend(capsys.readouterr().out.splitlines())
            return len(told) >= 3

        wait_for(died_thrice, seconds=30)
    assert all("again in 0.01 s" in line for line in told), "never the second wait"


def test_callers_wait_for_a_server_that_starts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "DELAYS_S", (0.3,))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def call() -> socket.socket:
            return socket.create_connection(listening.getsockname(), timeout=30)

        with Supervised(_service(ECHO, listening), tmp_path) as service:
            with call() as caller:
                first = int(caller.recv(10))
            os.kill(first, signal.SIGKILL)
            service.process.wait()
            with call() as waiting:  # nobody serves now, and nobody is refused
                while not (answer := _received(waiting)):
                    service.look()
                assert int(answer) != first


def _received(caller: socket.socket) -> bytes:
    caller.settimeout(0.05)
    try:
        return caller.recv(10)
    except TimeoutError:
        return b""
