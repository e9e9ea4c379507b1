"""A workspace in which DVC thinks that every stage has run, made without running any."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.settings import Settings
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.params import load_params

ROOT = Path(__file__).parents[3]
IMAGES = 7


def _dvc(root: Path, *arguments: str) -> None:
    own = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-m", "dvc", *arguments, "--quiet"], cwd=root, env=own, check=True)


def _outputs(root: Path) -> list[str]:
    """All outputs in dvc.yaml, matrices expanded."""
    params = load_params(root)
    found = []
    for stage in yaml.safe_load((root / "dvc.yaml").read_text())["stages"].values():
        outs = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
        for out in (next(iter(out)) if isinstance(out, dict) else out for out in outs):
            items = params.distill.students if "item.student" in out else params.evaluate.models
            found += [out.replace("${item.student}", item).replace("${item.model}", item) for item in items]
    return list(dict.fromkeys(found))


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which nothing has run."""
    root = tmp_path_factory.mktemp("fresh")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    _dvc(root, "init")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, root)
    return root


@pytest.fixture(scope="session")
def done(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One in which all is up to date: the tables of images are real, whatever else stages write is not."""
    root = tmp_path_factory.mktemp("done") / "checkout"
    shutil.copytree(fresh, root)
    for name in (*_outputs(root), files.SOURCES, files.GIVEN, files.SETS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{name}\n")
    row = {"uri": "a.png", "sha256": "0" * 64, "width": 64, "height": 64, "bytes": 9, "source": "pool", "role": "pool"}
    rows = [row | {"key": f"pool/{number}", "split": "train", "label": None} for number in range(IMAGES)]
    for name in (files.MANIFEST, files.UNIQUE, files.CURATED, files.PACKED):
        write_manifest(root / name, pa.Table.from_pylist(rows, schema=SCHEMA))
    _dvc(root, "commit", "--force")
    return root


@pytest.fixture
def workspace(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `done` to change."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    root = tmp_path / "workspace"
    shutil.copytree(done, root)
    return root


@pytest.fixture
def context() -> Callable[..., Context]:
    """`context(root, launcher="kubernetes")` is a workspace with these settings, and parameters as they are there."""

    def make(root: Path, **settings: Any) -> Context:
        return Context(root, load_params(root), Settings(**{"device": "cpu", "store": str(root / "store")} | settings))

    return make


def lose(root: Path, name: str) -> None:
    """Have an output of a stage nowhere, not in DVC's cache either."""
    digest = hashlib.md5((root / name).read_bytes()).hexdigest()
    (root / name).unlink()
    (root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()


def change(root: Path, key: str, value: object) -> None:
    """Set a parameter, by its dotted name."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    *path, last = key.split(".")
    section = params
    for part in path:
        section = section[part]
    section[last] = value
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
