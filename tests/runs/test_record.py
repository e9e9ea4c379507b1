"""A run is recorded as a commit beside the user's own work."""

import os
import subprocess
from pathlib import Path

import pytest

from dinov2.config import read_yaml
from dinov2.errors import ConfigError, UnreachableError
from dinov2.runs.clone import Run, at, clone
from dinov2.runs.record import record, record_here
from dinov2.settings import Settings
from dinov2.storage import file_sha256
from tests.runs.conftest import in_dvc, in_git

LOCK = "schema: '2.0'\nstages:\n  ingest:\n    cmd: x\n    outs: [{path: data/manifest.parquet, md5: abc}]\n"


def ran(origin: Path, name: str, seed: int = 7) -> Run:
    """A clone in which a stage, so says its dvc.lock, has run."""
    run = clone(origin, name, read_yaml(origin / "params.yaml") | {"seed": seed})
    (run.root / "dvc.lock").write_text(LOCK)
    (run.root / "data" / ".gitignore").write_text("/manifest.parquet\n")
    (run.root / "data" / "manifest.parquet").write_text("an output")
    return run


def test_a_run_becomes_a_branch_and_the_workspace_is_left_alone(origin: Path) -> None:
    (origin / "input.txt").write_text("edited\n")
    run = ran(origin, "seven")
    before = in_git(origin, "status", "--porcelain"), in_git(origin, "rev-parse", "HEAD")
    found = record(run, Settings(), {"Flow": "pipeline", "Started-by": "a schedule\nevery night"}, push=False)
    assert before == (in_git(origin, "status", "--porcelain"), in_git(origin, "rev-parse", "HEAD"))
    assert found.commit == in_git(origin, "rev-parse", "runs/seven")
    assert found.lock_sha256 == file_sha256(run.root / "dvc.lock")
    assert found.versions == []
    message = in_git(origin, "log", "-1", "--format=%B", "runs/seven")
    assert message == "seven\n\nFlow: pipeline\nStarted-by: a schedule every night"
    listed = in_git(origin, "ls-tree", "-r", "--name-only", "runs/seven").splitlines()
    assert {"dvc.lock", "data/.gitignore", "params.yaml", "dvc.yaml", "data/sources.json"} <= set(listed)
    assert "data/manifest.parquet" not in listed
    assert in_git(origin, "show", "runs/seven:input.txt") == "edited"
    assert "seed: 7" in in_git(origin, "show", "runs/seven:params.yaml")
    assert in_git(origin, "merge-base", "runs/seven", "main") == before[1]


def test_the_same_again_is_the_same_commit_and_a_change_is_one_on_top(origin: Path) -> None:
    run = ran(origin, "seven")
    first = record(run, Settings(), {"Flow": "recurate", "Flow-run": "1"}, push=False).commit
    assert record(run, Settings(), {"Flow": "recurate", "Flow-run": "2"}, push=False).commit == first
    assert record(run, Settings(), {}, push=False).commit == first
    (run.root / "dvc.lock").write_text(LOCK.replace("abc", "def"))
    second = record(run, Settings(), {}, push=False).commit
    assert in_git(origin, "rev-parse", "runs/seven~1") == first != second


def test_what_is_said_of_a_run_later_is_a_commit_on_top_even_if_nothing_else_has_changed(origin: Path) -> None:
    run = ran(origin, "seven")
    first = record(run, Settings(), {"Flow": "recurate"}, push=False).commit
    second = record(run, Settings(), {"Flow": "recurate", "Trained": "yes"}, push=False).commit
    assert in_git(origin, "rev-parse", "runs/seven~1") == first
    assert in_git(origin, "log", "-1", "--format=%(trailers)", second) == "Flow: recurate\nTrained: yes"


def test_what_a_clone_began_at_is_brought_back_where_git_has_thrown_it_away(origin: Path) -> None:
    (origin / "input.txt").write_text("edited\n")
    run = ran(origin, "seven")
    began = in_git(run.root, "rev-parse", "HEAD")
    for path in run.root.iterdir():
        os.utime(path, (0, 0))  # long since: git need not read them again, and so does not bring their content along
    in_git(run.root, "status")
    in_git(origin, "prune", "--expire=now")
    with pytest.raises(subprocess.CalledProcessError):
        in_git(origin, "cat-file", "-e", began)
    record(run, Settings(), {}, push=False)
    assert in_git(origin, "rev-parse", "runs/seven~1") == began
    assert in_git(origin, "fsck", "--strict") == ""


def test_a_clone_of_the_branch_is_the_run(origin: Path, tmp_path: Path) -> None:
    run = ran(origin, "seven")
    found = record(run, Settings(), {}, push=False)
    again = at(origin, "runs/seven", tmp_path / "again")
    for name in ("dvc.lock", "params.yaml", "dvc.yaml"):
        assert (again.root / name).read_bytes() == (run.root / name).read_bytes()
    assert in_git(again.root, "rev-parse", "HEAD") == found.commit


def test_the_workspace_itself_is_recorded_with_what_git_does_not_know_yet(
    origin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (origin / "dvc.lock").write_text(LOCK)
    record_here(origin, Settings(), "here", push=False)
    assert "runs/here: commit " in capsys.readouterr().out
    assert in_git(origin, "show", "runs/here:dvc.lock") == LOCK.strip()
    assert in_git(origin, "status", "--porcelain") == "?? dvc.lock"
    run = ran(origin, "seven")
    monkeypatch.chdir(run.root)
    record_here(Path.cwd(), Settings(), None, push=False)
    assert "runs/seven: commit " in capsys.readouterr().out
    assert in_git(origin, "rev-parse", "--verify", "runs/seven")


def test_what_cannot_be_recorded_is_refused(origin: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no dvc\.lock: nothing has run yet"):
        record(Run("here", origin, origin), Settings(), {}, push=False)
    run = ran(origin, "seven")
    in_git(origin, "checkout", "--quiet", "-b", "runs/seven")
    with pytest.raises(ConfigError, match=f"branch runs/seven is checked out in {origin}"):
        record(run, Settings(), {}, push=False)


def test_code_that_git_does_not_know_is_not_recorded(origin: Path) -> None:
    (origin / "dvc.lock").write_text(LOCK)
    (origin / "dinov2").mkdir()
    (origin / "dinov2" / "notes.txt").touch()
    record(Run("here", origin, origin), Settings(), {}, push=False)
    (origin / "dinov2" / "new.py").touch()
    with pytest.raises(ConfigError, match=r"dinov2/new\.py: git does not know it, so the record would lack it"):
        record(Run("here", origin, origin), Settings(), {}, push=False)


def test_without_the_remote_nothing_is_recorded(origin: Path) -> None:
    (origin / "var").mkdir()
    (origin / "var" / "dvc").write_text("a file where a folder should be")
    run = ran(origin, "seven")
    (run.root / "dvc.lock").unlink()
    in_dvc(run.root, "repro", "ingest")
    with pytest.raises(UnreachableError, match=r"dvc push: .*; not recorded") as told:
        record(run, Settings(), {}, push=True)
    assert "Not a directory" in str(told.value)
    assert "\n" not in str(told.value)
    assert in_git(origin, "branch", "--list", "runs/*") == ""


def test_a_push_sends_what_the_run_made(origin: Path) -> None:
    run = clone(origin, "pushed")
    in_dvc(run.root, "repro", "ingest")
    record(run, Settings(), {}, push=True)
    assert len([path for path in (origin / "var" / "dvc" / "files").rglob("*") if path.is_file()]) == 1
