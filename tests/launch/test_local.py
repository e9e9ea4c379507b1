import subprocess
import sys
import time
from pathlib import Path

import pytest

from dinov2.errors import UserError
from dinov2.launch import Job, JobFailedError, launch
from dinov2.settings import Settings


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A worker that writes its rank and threads to a file, and exits with the code it is given."""
    (tmp_path / "worker.py").write_text(
        "import os, pathlib, sys\n"
        "rank = os.environ.get('RANK', 'alone')\n"
        "pathlib.Path(f'out-{rank}').write_text(os.environ['OMP_NUM_THREADS'])\n"
        "sys.exit(int(sys.argv[1]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "worker"


def job(module: str, code: int, *outputs: Path) -> Job:
    return Job("try", module, (str(code),), (), outputs)


def test_one_process_runs_without_torchrun(module: str, tmp_path: Path) -> None:
    launch(job(module, 0, tmp_path / "out-alone"), Settings(processes=1, threads=3), tmp_path)
    assert (tmp_path / "out-alone").read_text() == "3"


def test_several_processes_run_under_torchrun(module: str, tmp_path: Path) -> None:
    launch(job(module, 0), Settings(processes=2, threads=1), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("out-*")) == ["out-0", "out-1"]


def test_a_mistake_of_the_user_is_told_apart_from_a_failure(module: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="try: stopped by the error above"):
        launch(job(module, 2), Settings(processes=1), tmp_path)
    with pytest.raises(JobFailedError, match="try: ended with exit code 5") as failed:
        launch(job(module, 5), Settings(processes=1), tmp_path)
    assert not failed.value.again


def test_who_was_told_to_stop_is_worth_starting_again(module: str, tmp_path: Path) -> None:
    with pytest.raises(JobFailedError, match="try: ended with exit code 75") as failed:
        launch(job(module, 75), Settings(processes=1), tmp_path)
    assert failed.value.again


def test_torchrun_does_not_hide_a_mistake_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker.py").write_text(
        "from dinov2.errors import UserError, told_in_one_line\n"
        "from dinov2.launch import in_a_job\n"
        "with in_a_job(), told_in_one_line():\n"
        "    raise UserError('the pool is empty')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UserError, match="try: stopped by the error above"):
        launch(Job("try", "worker", (), (), ()), Settings(processes=2), tmp_path)


def test_being_told_to_stop_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
        "pathlib.Path('ready').touch()\n"
        "time.sleep(60)\n"
    )
    (tmp_path / "caller.py").write_text(
        "import pathlib\n"
        "from dinov2.launch import Job, launch\n"
        "from dinov2.settings import Settings\n"
        "launch(Job('try', 'worker', (), (), ()), Settings(), pathlib.Path.cwd())\n"
    )
    caller = subprocess.Popen([sys.executable, "caller.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "ready").exists():
        assert caller.poll() is None
        time.sleep(0.05)
    caller.terminate()
    _, said = caller.communicate(timeout=30)
    assert "JobFailedError: try: ended with exit code 75" in said


def test_an_output_that_was_not_written_is_told(module: str, tmp_path: Path) -> None:
    with pytest.raises(JobFailedError, match=r"did not write .*missing"):
        launch(job(module, 0, tmp_path / "missing"), Settings(processes=1), tmp_path)


def test_workers_use_the_python_of_the_caller(module: str, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text("import pathlib, sys; pathlib.Path('out').write_text(sys.executable)")
    launch(job(module, 0, tmp_path / "out"), Settings(processes=1), tmp_path)
    assert (tmp_path / "out").read_text() == sys.executable


def test_of_several_processes_the_first_to_fail_is_named_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "worker.py").write_text(
        "import os, time\n"
        "from dinov2.launch import in_a_job\n"
        "with in_a_job():\n"
        "    if os.environ['RANK'] == '0': time.sleep(60)\n"
        "    raise ValueError('no such thing')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(JobFailedError, match=r"exit code 1; rank 1 was the first:\n(.*\n)*ValueError: no such thing"):
        launch(Job("try", "worker", (), (), ()), Settings(processes=2), tmp_path)
