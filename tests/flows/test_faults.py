"""Servers and workers that are killed in mid-run, a locked database, a full disk: nothing is lost or done twice."""

import contextlib
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from flows.lossy import GAP
from flows.servers import answers
from tests.absent import absent
from tests.flows.conftest import Workspace, make_workspace, wait_for
from tests.flows.serving import Up, up

pytestmark = pytest.mark.slow

ALL = ["first", "second", "S", "B", "last"]
HERE = "this workspace"


def _wait_in_second(workspace: Workspace) -> None:
    """Have the stage `second` say that it began, and wait to be let go on."""
    stages = (workspace.root / "dvc.yaml").read_text()
    waiting = "touch began; while ! test -e go_on; do sleep 0.1; done; echo two"
    workspace.write("dvc.yaml", stages.replace("echo two", waiting, 1))


def _begin(running: Up) -> str:
    """Start a run; it waits in `second`."""
    for name in ("began", "go_on"):
        (running.workspace.root / name).unlink(missing_ok=True)
    run = running.create("pipeline/pipeline", where=HERE)
    wait_for((running.workspace.root / "began").exists, seconds=120)
    return run


def _stages(running: Up, run: str) -> dict[str, str]:
    """The stages of a run, and the state that Prefect has of each."""
    found = running.ask("/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
    return {task["name"]: task["state"]["type"] for task in found}


def test_killed_servers_and_workers_cost_nothing(workspace: Workspace) -> None:
    _wait_in_second(workspace)
    with up(workspace) as running:
        # The server dies in mid-run, with a second run in the queue.
        first, second = _begin(running), running.create("pipeline/pipeline", where=HERE)
        lease = running.run(first)["state"]["state_details"]["deployment_concurrency_lease_id"]
        running.kill("prefect-server")
        # The server that started again knows whose turn it is; else Prefect would end the run some minutes from now.
        running.ask(f"/v2/concurrency_limits/leases/{lease}/renew", {"lease_duration": 300})
        assert running.state(first) == "RUNNING"
        workspace.write("go_on", "")
        for run in (first, second):
            assert running.wait_for_end(run)["type"] == "COMPLETED"
        assert workspace.ran() == ALL, "each once, and by one run"
        assert running.run(second)["start_time"] > running.run(first)["end_time"], "the second waited for the first"
        tasks = dict.fromkeys(["first", "second", "distill@S", "distill@B", "last"], "COMPLETED")
        wait_for(lambda: _stages(running, first) == tasks, seconds=60)

        running.kill("mlflow-server")
        wait_for(lambda: answers(f"{running.mlflow}/health"), seconds=120)

        # The worker dies, and what it carried out with it.
        stages = (workspace.root / "dvc.yaml").read_text()
        workspace.write("dvc.yaml", stages.replace("echo one", "echo 1").replace("echo two", "echo 2"))
        third = _begin(running)
        below = running.process_of("worker").children(recursive=True)
        assert below
        running.kill("worker")
        wait_for(lambda: not any(process.is_running() for process in below), seconds=20)
        state = running.wait_for_end(third)
        assert state["type"] == "CRASHED"
        assert state["message"]

        # It is retried, twice: it goes on from where it was, once.
        workspace.write("go_on", "")
        assert running.retry(third) == "ACCEPT"
        running.retry(third)
        wait_for(lambda: running.state(third) == "COMPLETED", seconds=180)
        time.sleep(3)  # longer than a worker takes to ask for runs
        assert running.state(third) == "COMPLETED"
        assert workspace.ran() == ALL
        output = running.stop()
    assert output.count("it is started again in") == 3
    assert "Traceback" not in output


def test_a_locked_database_is_told_of_and_waited_for(workspace: Workspace) -> None:
    _wait_in_second(workspace)
    # So Prefect's server waits 30 s for its database, else 60.
    with up(workspace, PREFECT_TESTING_UNIT_TEST_MODE="1") as running:
        run = _begin(running)
        path = workspace.root / "var" / "prefect" / "prefect.db"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("begin exclusive")
            workspace.write("go_on", "")
            time.sleep(40)  # longer than Prefect's server waits for it
            database.execute("commit")
        assert running.wait_for_end(run)["type"] == "COMPLETED"
        assert workspace.ran() == ALL
        wait_for(lambda: f"{path} is locked: no more" in running.output)
        output = running.stop()
    assert output.count(f"{path} is locked: held by process ") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 MB; the test is skipped where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", place], capture_output=True, text=True)
    if done.returncode:
        absent("disk", f"no disk that can be filled: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def _fill(file: IO[bytes]) -> None:
    """Leave no room on the disk of a file."""
    with contextlib.suppress(OSError):
        while True:
            file.write(bytes(65536))


def test_a_full_disk_is_told_of_and_runs_go_on_when_there_is_room(small_disk: Path) -> None:
    workspace = make_workspace(small_disk / "workspace")
    _wait_in_second(workspace)
    # It goes on to say much while there is no room to write it down.
    talking = "while ! test -e room; do seq -s' ' 300; sleep 0.1; done; echo two"
    workspace.write("dvc.yaml", (workspace.root / "dvc.yaml").read_text().replace("echo two", talking, 1))
    with up(workspace) as running:
        run = _begin(running)
        filler, told = small_disk / "filler", f"the disk of {workspace.root} is full: "
        with filler.open("wb", buffering=0) as file:
            _fill(file)
            (workspace.root / "go_on").touch()
            wait_for(lambda: f"{told}0 MB are left" in running.output, seconds=20)
            for _ in range(100):
                _fill(file)  # some was given back
                time.sleep(0.1)
        filler.unlink()
        (workspace.root / "room").touch()
        wait_for(lambda: f"{told}no more" in running.output, seconds=20)
        assert running.wait_for_end(run)["type"] == "COMPLETED"
        for log in ("second", "worker"):
            assert GAP.decode() in (workspace.root / "var" / "logs" / f"{log}.log").read_text()
        assert workspace.ran() == ALL, "no stage was stopped and begun again"
        assert running.stop().count(told) == 2
