"""Copies of this checkout in which the whole pipeline takes a minute or two."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TINY: dict[str, dict[str, Any]] = {
    "pretrain": {"batch_size": 16, "group_size": 8, "epochs": 2, "epoch_length": 5},
    "highres": {"batch_size": 16, "group_size": 8, "iterations": 3},
    "distill": {"batch_size": 16, "group_size": 8, "epochs": 2, "epoch_length": 4, "students": ["S"]},
    "evaluate": {"models": ["S"], "linear": {"iterations": 30, "batch": 64}},
}
Checkout = Callable[[str], Path]
OURS = ("PREFECT_", "DINOV2_", "MLFLOW_", "AWS_", "KUBECONFIG")


def checkouts(folder: Path, parameters: dict[str, dict[str, Any]] = TINY) -> Checkout:
    """Makes copies in `folder` as a stranger would clone them, with these changes of the parameters."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()

    def make(name: str) -> Path:
        root = folder / name
        for file in names:
            if (ROOT / file).is_file():
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, root / file)
        params = yaml.safe_load((root / "params.yaml").read_text())
        for section, changes in parameters.items():
            params[section] |= changes
        (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        return root

    return make


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without what would steer the product, and with these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"PATH": path, "DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"} | settings


def run(root: Path, *command: str, **settings: str) -> str:
    """Run a command in a checkout and return what it said; it must end well."""
    done = subprocess.run(command, cwd=root, env=environment(**settings), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
