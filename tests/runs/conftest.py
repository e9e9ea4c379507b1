"""Small workspaces: real repositories of git and DVC, whose stages are shell commands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dinov2.registry.client import connect
from dinov2.runs.clone import Run, clone
from dinov2.runs.record import record
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.stages.params import load_params
from dinov2.storage import digest, file_sha256

REPOSITORY = Path(__file__).resolve().parents[2]

STAGES = """
stages:
  ingest:
    cmd: cat input.txt $MORE > data/manifest.parquet
    deps: [input.txt]
    outs: [data/manifest.parquet]
  pretrain:
    cmd: >-
      echo "$DINOV2_STORE $DINOV2_CHECKPOINTS" > places.txt && echo once more >> ran.log &&
      cat data/manifest.parquet $EXTRA > weights/S.safetensors
    params: [seed]
    deps: [data/manifest.parquet, data/weights.json]
    outs: [weights/S.safetensors]
  register:
    matrix: {model: [S]}
    cmd: >-
      echo "{\\"name\\": \\"dinov2-S\\", \\"weights\\": \\"$(sha256sum < weights/S.safetensors)\\"}" > registry/S.json
    deps: [weights/S.safetensors]
    outs: [registry/S.json]
"""


def make_workspace(root: Path) -> Path:
    """A repository of git and DVC with one commit, in which nothing has run."""
    for folder in (".dvc", "data", "weights", "registry"):
        (root / folder).mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    remote = kept\n['remote \"kept\"']\n    url = ../var/dvc\n")
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / ".gitignore").write_text("/var/\n/ran.log\n/places.txt\n")
    shutil.copy(REPOSITORY / ".dvcignore", root)
    shutil.copy(REPOSITORY / "params.yaml", root)
    (root / "dvc.yaml").write_text(STAGES)
    (root / "input.txt").write_text("input\n")
    for folder in ("weights", "registry"):  # git keeps no empty ones
        (root / folder / ".gitignore").touch()
    (root / "data" / "sources.json").write_text('{"pool": "abc"}\n')
    given = {
        "weights/start.safetensors": "f" * 64,
        "models:/x@champion": {"version": "models:/x/3", "sha256": "e" * 64},
    }
    (root / "data" / "weights.json").write_text(json.dumps(given))
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=root, check=True)
    in_git(root, "add", ".")
    in_git(root, "commit", "--quiet", "--message", "first")
    return root


def in_git(root: Path, *arguments: str) -> str:
    """What git says."""
    author = ["-c", "user.name=Someone", "-c", "user.email=someone@example.com"]
    done = subprocess.run(["git", *author, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def in_dvc(root: Path, *arguments: str) -> str:
    """What DVC says; it must end well."""
    command = [sys.executable, "-m", "dvc", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DINOV2_")}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env={**kept, "DVC_NO_ANALYTICS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A workspace in which nothing has run."""
    return make_workspace(tmp_path / "workspace")


def registered(run: Run, name: str = "dinov2-S") -> str:
    """Have MLflow know a version that the receipt in the run's clone leads to; its number."""
    client = connect(Settings(), run.origin)
    facts = json.loads((run.root / "registry" / "S.json").read_text())
    tags = {
        "dinov2.digest": digest(facts),
        "dinov2.model": "S",
        "dinov2.weights_sha256": file_sha256(run.root / "weights" / "S.safetensors"),
        "dinov2.commit": "0000-dirty",
    }
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    return str(client.create_model_version(name, source="nowhere", tags=tags).version)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A workspace whose run `first` has made, registered, recorded and signed version 1; write nothing into it."""
    origin = make_workspace(tmp_path_factory.mktemp("recorded") / "workspace")
    run = clone(origin, "first")
    in_dvc(run.root, "repro")
    assert registered(run) == "1"
    assert record(run, Settings(), {"Flow": "pipeline"}, push=False).versions == ["models:/dinov2-S/1"]
    return Context(origin, load_params(origin), Settings())
