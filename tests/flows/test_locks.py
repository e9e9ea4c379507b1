"""Locks of the dead do not block; locks of the living are not touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dinov2.errors import ConfigError
from dinov2.runs.pipeline_lock import LOCK, holder
from flows.locks import clear_stale_dvc_locks, sole_pipeline
from tests.flows.conftest import Workspace


def _rwlock(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "rwlock"


def _dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_what_the_dead_held_is_freed_and_what_the_living_hold_stays(workspace: Workspace) -> None:
    dead, living = {"pid": _dead_pid(), "cmd": "dvc repro"}, {"pid": os.getpid(), "cmd": "dvc repro"}
    held = {"write": {"/a": dead, "/b": living}, "read": {"/c": [dead, living], "/d": [dead]}}
    _rwlock(workspace.root).write_text(json.dumps(held))
    clear_stale_dvc_locks(workspace.root)
    assert json.loads(_rwlock(workspace.root).read_text()) == {"write": {"/b": living}, "read": {"/c": [living]}}


def test_a_number_that_went_to_a_later_process_is_not_the_holder(workspace: Workspace) -> None:
    path = _rwlock(workspace.root)
    path.write_text(json.dumps({"write": {"/a": {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    before = psutil.Process().create_time() - 60
    os.utime(path, (before, before))
    clear_stale_dvc_locks(workspace.root)
    assert json.loads(path.read_text()) == {}


def test_half_a_lock_file_does_not_block_dvc(workspace: Workspace) -> None:
    _rwlock(workspace.root).write_text('{"write": {"/a": {"pi')
    assert workspace.run("-m", "dvc", "repro", "first")[0] != 0
    clear_stale_dvc_locks(workspace.root)
    code, output = workspace.run("-m", "dvc", "repro", "first")
    assert code == 0, output


def test_a_second_pipeline_in_a_workspace_is_refused_by_number(tmp_path: Path) -> None:
    with (
        sole_pipeline(tmp_path),
        pytest.raises(ConfigError, match=rf"process {os.getpid()}\)"),
        sole_pipeline(tmp_path),
    ):
        pass
    with sole_pipeline(tmp_path):
        pass


def test_who_holds_a_workspace_is_known_whatever_number_its_process_has_here(tmp_path: Path) -> None:
    """In another container the holder has another number, or it is that of nobody."""
    assert holder(tmp_path) is None
    for name in ("night", ""):
        with sole_pipeline(tmp_path, name):
            assert holder(tmp_path) == name
            text = (tmp_path / LOCK).read_text()
            (tmp_path / LOCK).write_text(text.replace(str(os.getpid()), str(_dead_pid())))
            assert holder(tmp_path) == name
    (tmp_path / LOCK).write_text(f"{os.getpid()}, run killed")
    assert holder(tmp_path) is None


def test_a_run_that_waits_is_told_for_whom_and_goes_on_when_that_ends(tmp_path: Path) -> None:
    heard: list[str] = []
    holder = "from flows.locks import *; import sys\nwith sole_pipeline(Path(), 'night'): print(); sys.stdin.read()"
    repository = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", holder],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": repository},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()

        def wait(name: str) -> None:
            heard.append(name)
            process.kill()

        with sole_pipeline(tmp_path, "day", wait):
            assert heard == [f"process {process.pid}, run night"]
            with pytest.raises(ConfigError, match=rf"process {os.getpid()}, run day\)"), sole_pipeline(tmp_path):
                pass
