"""What a re-curation is compared with, in a real repository of git and DVC."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dinov2.errors import DataError
from dinov2.runs.clone import clone
from dinov2.runs.quality import Figures
from dinov2.runs.recuration import Earlier, bring_branch, earlier, figures_at, unchanged
from dinov2.runs.run import Run
from tests.runs.conftest import in_git, make_workspace

STAGES = """
stages:
  ingest: {cmd: cp counts metrics/ingest.json, deps: [counts], metrics: [metrics/ingest.json]}
  deduplicate: {cmd: cp counts metrics/deduplicate.json, deps: [counts], metrics: [metrics/deduplicate.json]}
  retrieve: {cmd: cp counts metrics/retrieve.json, deps: [counts], metrics: [metrics/retrieve.json]}
"""


def repro(root: Path, *arguments: str) -> None:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-m", "dvc", "repro", *arguments], cwd=root, env=environment, check=True)


def branch(root: Path, name: str, second: int, **trailers: str) -> None:
    """A branch whose last commit is of that second and has these trailers."""
    told = "".join(f"{key}: {value}\n" for key, value in trailers.items())
    author = ["-c", "user.name=t", "-c", "user.email=t@t"]
    command = ["git", *author, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", f"{name}\n\n{told}"]
    moment = os.environ | {"GIT_COMMITTER_DATE": f"{1_800_000_000 + second} +0000"}
    made = subprocess.run(command, cwd=root, env=moment, capture_output=True, text=True, check=True).stdout.strip()
    in_git(root, "branch", f"runs/{name}", made)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A workspace whose stages count."""
    root = make_workspace(tmp_path / "workspace")
    (root / "dvc.yaml").write_text(STAGES)
    (root / "counts").write_text('{"n": 1}')
    (root / "metrics").mkdir()
    (root / "metrics" / "README").write_text("figures\n")
    in_git(root, "add", "--all")
    in_git(root, "commit", "--quiet", "-m", "counting")
    return root


def test_the_first_one_has_none_before_it(origin: Path) -> None:
    branch(origin, "someone", 9, Flow="pipeline")
    assert earlier(Run("new", origin, origin)) == Earlier(None, None)


def test_the_newest_counts_and_the_newest_that_was_trained_on(origin: Path) -> None:
    branch(origin, "third", 3, Flow="recurate")
    branch(origin, "second", 2, Flow="recurate", Trained="yes")
    branch(origin, "first", 1, Flow="recurate", Trained="yes")
    branch(origin, "fourth", 4, Flow="pipeline", Trained="yes")
    branch(origin, "fifth", 5)
    assert earlier(Run("new", origin, origin)) == Earlier("runs/third", "runs/second")
    assert earlier(Run("third", origin, origin)) == Earlier("runs/second", "runs/second"), "a run is not before itself"


def test_figures_are_read_of_what_was_recorded_whatever_is_there_now(origin: Path) -> None:
    repro(origin)
    in_git(origin, "add", "--all")
    in_git(origin, "commit", "--quiet", "-m", "counted")
    in_git(origin, "branch", "runs/before")
    (origin / "counts").write_text('{"n": 2}')
    repro(origin)
    assert figures_at(origin, "runs/before") == Figures({"n": 1}, {"n": 1}, {"n": 1})
    assert json.loads((origin / "metrics/ingest.json").read_text()) == {"n": 2}
    for file in (origin / ".dvc" / "cache").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.unlink()
    with pytest.raises(DataError, match="runs/before: its figures cannot be read"):
        figures_at(origin, "runs/before")


def test_a_branch_recorded_after_the_clone_was_made_is_brought_to_it(origin: Path) -> None:
    run = clone(origin, "new")
    branch(origin, "meanwhile", 1, Flow="recurate")
    revision = bring_branch(run, "runs/meanwhile")
    assert in_git(run.root, "rev-parse", revision) == in_git(origin, "rev-parse", "runs/meanwhile")
    assert bring_branch(Run("here", origin, origin), "runs/meanwhile") == "runs/meanwhile"


def test_unchanged_is_what_was_done_to_the_same_with_the_same_result(origin: Path) -> None:
    repro(origin)
    in_git(origin, "add", "--all")
    in_git(origin, "commit", "--quiet", "-m", "counted")
    in_git(origin, "branch", "runs/before")
    run = Run("new", origin, origin)
    assert unchanged(run, "runs/before", ["ingest", "retrieve"])
    (origin / "counts").write_text('{"n": 2}')
    repro(origin, "ingest")
    assert not unchanged(run, "runs/before", ["ingest", "retrieve"])
    assert unchanged(run, "runs/before", ["retrieve"])
    assert not unchanged(run, "runs/before", ["pack"]), "what was not done has not been done alike"
