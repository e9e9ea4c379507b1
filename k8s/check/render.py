"""The objects that a kustomization stands for."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from dinov2.errors import ConfigError

Manifest = dict[str, Any]
K8S = Path(__file__).resolve().parents[1]
KUSTOMIZATIONS = {"base": K8S / "base", "dev": K8S / "overlays" / "dev", "prod": K8S / "overlays" / "prod"}


def render(folder: Path) -> list[Manifest]:
    """The objects of the kustomization in `folder`; nothing is asked of any cluster.

    Raises:
        ConfigError: kubectl is not there, or refuses the kustomization.
    """
    if not shutil.which("kubectl"):
        raise ConfigError("kubectl is not on this machine: it renders k8s/ (https://kubernetes.io/docs/tasks/tools)")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    if done.returncode:
        raise ConfigError(f"{folder}: {done.stderr.strip()}")
    return list(yaml.safe_load_all(done.stdout))


def title(manifest: Manifest) -> str:
    """How a message names an object: `Deployment dinov2-platform/mlflow`."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata['namespace'] + '/' if 'namespace' in metadata else ''}{metadata['name']}"
