"""What DVC keeps goes to a bucket, and a clone gets it from there without running anything."""

import os
import subprocess
from pathlib import Path

import pytest

from dinov2.storage import Store
from tests.checkouts import run

pytestmark = [pytest.mark.slow, pytest.mark.s3]
STAGES = """
stages:
  first:
    cmd: date +%N >> ran && cp params.yaml data
    deps: [params.yaml]
    outs: [data]
  second:
    cmd: echo second >> ran && cat data data > model
    deps: [data]
    outs: [model]
"""


def clone(root: Path, name: str) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(root), str(root.parent / name)], check=True)
    return root.parent / name


def commit(root: Path) -> None:
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *author, "commit", "--quiet", "--all", "--message", "x"], cwd=root, check=True)


def test_a_clone_pulls_outputs_and_repeats_no_stage(bucket: Store, tmp_path: Path) -> None:
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}

    def dvc(root: Path, *arguments: str) -> str:
        return run(root, "dvc", *arguments, **keys)

    root = tmp_path / "one"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    dvc(root, "init", "--quiet")
    dvc(root, "remote", "add", "--default", "s3", bucket.url_of("dvc"))
    (root / "dvc.yaml").write_text(STAGES)
    (root / "params.yaml").write_text("version: 1\n")
    dvc(root, "repro")
    dvc(root, "push", "--run-cache")
    subprocess.run(["git", "add", ".dvc", "dvc.yaml", "dvc.lock", "params.yaml"], cwd=root, check=True)
    commit(root)
    assert keys["AWS_SECRET_ACCESS_KEY"] not in (root / ".dvc" / "config").read_text()

    pulled = clone(root, "pulled")
    dvc(pulled, "pull")
    assert (pulled / "model").read_text() == "version: 1\n" * 2
    assert "up to date" in dvc(pulled, "status")

    # What one checkout has computed since, another with the same parameters takes out of the run cache.
    (root / "params.yaml").write_text("version: 2\n")
    dvc(root, "repro")
    dvc(root, "push", "--run-cache")
    other = clone(root, "other")
    (other / "params.yaml").write_text("version: 2\n")
    dvc(other, "pull", "--run-cache", "--allow-missing")
    dvc(other, "repro", "--pull")
    assert (other / "model").read_text() == "version: 2\n" * 2
    assert not (other / "ran").exists()
