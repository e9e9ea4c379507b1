import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from flows.leave import leave

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = """
import signal, sys, time
from pathlib import Path
import psutil
told, run = Path(sys.argv[1]), psutil.Process(int(sys.argv[2]))

def end(*_):
    told.write_text(str(run.is_running() and run.status() != psutil.STATUS_ZOMBIE))
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
told.touch()
time.sleep(60)
"""
RUN = f"""
import os, sys
from pathlib import Path
from flows.process import run
run([sys.executable, "-c", {LAUNCHER!r}, sys.argv[1], str(os.getpid())], Path.cwd(), Path("log"), print)
"""
SERVER = f"""
import subprocess, sys
run = subprocess.Popen([sys.executable, "-c", {RUN!r}, sys.argv[1]], cwd=sys.argv[2])
print(run.wait(), flush=True)
sys.stdin.read()
"""


def test_a_run_that_is_left_dies_before_its_launcher_is_told_to_end(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = [sys.executable, "-c", SERVER, told, tmp_path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}
    ) as server:
        assert server.stdin
        assert server.stdout
        while not told.exists():
            assert server.poll() is None
            time.sleep(0.02)
        below = psutil.Process(server.pid).children(recursive=True)
        assert leave(psutil.Process(server.pid)) == 1
        assert server.stdout.readline() == f"{-signal.SIGKILL}\n"
        assert server.poll() is None
        assert not any(process.is_running() for process in below)
        server.stdin.close()
    assert told.read_text() == "False"


def test_a_worker_without_runs_is_left_in_peace() -> None:
    assert leave(psutil.Process(), patience=0) == 0
