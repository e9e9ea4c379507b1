"""Jobs of several indexes, with real processes."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dinov2.errors import UserError
from dinov2.launch import Job, JobFailedError, launch
from dinov2.progress import CHANNEL, Told, read
from dinov2.settings import Settings

BEGUN = """
import os, pathlib, signal, sys, time
index, indexes = os.environ["DINOV2_INDEX"], os.environ["DINOV2_INDEXES"]
def here(name):
    return len(list(pathlib.Path.cwd().glob(name)))
attempt = here(f"begun-{index}-*")
threads = f"{os.environ['OMP_NUM_THREADS']} {os.environ['DINOV2_THREADS']}"
pathlib.Path(f"begun-{index}-{attempt}").write_text(f"{indexes} {threads}")
"""
"""What every worker begins with: it leaves a file for each attempt of each index."""


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that workers run in; `worker.py` is for the test to write."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def run(folder: Path, body: str, indexes: int = 3, jobs: int = 2, threads: int = 4) -> None:
    (folder / "worker.py").write_text(BEGUN + body)
    launch(Job("try", "worker", (), (), (), indexes), Settings(jobs=jobs, threads=threads), folder)


def begun(folder: Path) -> list[str]:
    return sorted(path.name.removeprefix("begun-") for path in folder.glob("begun-*"))


def test_every_index_is_run_once_and_threads_are_shared_out(workers: Path) -> None:
    run(workers, "", indexes=3, jobs=2, threads=5)
    assert begun(workers) == ["0-0", "1-0", "2-0"]
    assert {path.read_text() for path in workers.glob("begun-*")} == {"3 2 2"}


def test_threads_are_one_at_least(workers: Path) -> None:
    run(workers, "", indexes=2, jobs=2, threads=1)
    assert {path.read_text() for path in workers.glob("begun-*")} == {"2 1 1"}


def test_as_many_run_side_by_side_as_there_are_jobs(workers: Path) -> None:
    # Two must meet; a third must find at least one of them gone.
    wait = "while here('begun-*') < 2: time.sleep(0.01)\n"
    run(workers, f"{wait}assert here('begun-*') - here('ended-*') <= 2\npathlib.Path(f'ended-{{index}}').touch()\n")
    assert begun(workers) == ["0-0", "1-0", "2-0"]


def test_progress_is_of_the_indexes_and_not_of_one_of_them(workers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = workers / "told.json"
    monkeypatch.setenv(CHANNEL, str(told))
    body = "from dinov2.progress import progress\nwith progress('own', 10) as shown: shown.advance(3)\n"
    run(workers, f"{body}if index == '2': sys.exit(0 if attempt else 1)\n", indexes=3, jobs=1)
    assert read(told) == Told("try: 3 of 3 indexes done", 3, 3)


def test_an_index_that_died_is_run_again_alone(workers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(workers, "if index == '1' and attempt < 2: os.kill(os.getpid(), signal.SIGKILL)\n")
    assert begun(workers) == ["0-0", "1-0", "1-1", "1-2", "2-0"]
    assert capsys.readouterr().err.count("try: index 1 ended with exit code -9; it is run again") == 2


def test_an_index_that_always_dies_fails_the_job_when_the_others_have_ended(workers: Path) -> None:
    with pytest.raises(JobFailedError, match="try: ended with exit code 5"):
        run(workers, "if index == '0': sys.exit(5)\n", indexes=4)
    assert begun(workers) == ["0-0", "0-1", "0-2", "1-0", "2-0", "3-0"]


def test_a_mistake_of_the_user_stops_all_and_is_not_tried_again(workers: Path) -> None:
    body = "while here('begun-*') < 2: time.sleep(0.01)\nif index == '1': sys.exit(2)\ntime.sleep(60)\n"
    with pytest.raises(UserError, match="try: stopped by the error above"):
        run(workers, body, indexes=4)
    assert begun(workers) == ["0-0", "1-0"]


@pytest.mark.parametrize("handled", [True, False])
def test_being_told_to_stop_is_passed_on_and_nothing_is_left_behind(workers: Path, handled: bool) -> None:
    handler = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n" if handled else ""
    body = f"{handler}pathlib.Path(f'pid-{{os.getpid()}}').touch()\ntime.sleep(60)\n"
    (workers / "worker.py").write_text(BEGUN + body)
    (workers / "caller.py").write_text(
        "import pathlib\n"
        "from dinov2.launch import Job, launch\n"
        "from dinov2.settings import Settings\n"
        "launch(Job('try', 'worker', (), (), (), 4), Settings(jobs=2, threads=1), pathlib.Path.cwd())\n"
    )
    caller = subprocess.Popen([sys.executable, "caller.py"], cwd=workers, stderr=subprocess.PIPE, text=True)
    while len(list(workers.glob("pid-*"))) < 2:
        assert caller.poll() is None
        time.sleep(0.05)
    caller.terminate()
    _, said = caller.communicate(timeout=30)
    assert f"JobFailedError: try: ended with exit code {75 if handled else -15}" in said
    assert begun(workers) == ["0-0", "1-0"]
    assert not any(psutil.pid_exists(int(path.name.removeprefix("pid-"))) for path in workers.glob("pid-*"))


def test_an_error_of_the_launcher_leaves_nothing_behind(workers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        if list(workers.glob("pid-*")):
            raise KeyboardInterrupt

    monkeypatch.setattr("dinov2.launch.indexed.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(workers, "pathlib.Path(f'pid-{os.getpid()}').touch()\ntime.sleep(60)\n", indexes=2)
    assert not any(psutil.pid_exists(int(path.name.removeprefix("pid-"))) for path in workers.glob("pid-*"))
