"""Weights out of MLflow's registry."""

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dinov2.errors import ConfigError, UserError
from dinov2.registry.client import connect, tracking_uri, waited_for
from dinov2.settings import Settings
from dinov2.storage import atomic_path

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

PREFIX, SUFFIX = "models:/", ".safetensors"
WEIGHTS_TAG = "dinov2.weights_sha256"


def fetch_weights(uri: str, path: Path, settings: Settings, root: Path) -> str:
    """Write the backbone of a registered model version to `path`, whole or not at all.

    Args:
        uri: models:/NAME/VERSION or models:/NAME@ALIAS.
        path: the safetensors file to write.
        settings: say where MLflow is.
        root: the workspace, which relative places are taken from.

    Returns:
        NAME version VERSION, whatever alias led to it.

    Raises:
        ConfigError: `path` does not end in .safetensors.
        UserError: MLflow has no such version.
        UnreachableError: MLflow stays away.
    """
    if path.suffix != SUFFIX:
        raise ConfigError(f"{path}: the file to write must end in {SUFFIX}")
    found_version = find_version(uri, settings, root)
    name, version = found_version.name, str(found_version.version)
    import mlflow
    from mlflow.exceptions import MlflowException

    from dinov2.models import load_backbone  # takes seconds, which who only asks for a version need not spend

    mlflow.set_tracking_uri(tracking_uri(settings, root))
    mlflow.set_registry_uri(tracking_uri(settings, root))
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = Path(waited_for(partial(_download, f"{PREFIX}{name}/{version}", folder), settings, root))
            found = list(model.glob(f"artifacts/*{SUFFIX}"))
            if len(found) != 1:
                raise UserError(f"{uri}: has {len(found)} files *{SUFFIX} where one is expected")
            load_backbone(found[0])
            with atomic_path(path) as draft:
                shutil.copyfile(found[0], draft)
    except (MlflowException, OSError) as error:
        raise UserError(f"{uri}: cannot be fetched: {error}") from error
    return f"{name} version {version}"


def _download(uri: str, folder: str) -> str:
    import mlflow

    return mlflow.artifacts.download_artifacts(uri, dst_path=folder)


def registered(uri: str, settings: Settings, root: Path) -> tuple[str, str, str]:
    """Name and version of a registered model, whatever alias leads to it, and the sha256 of its weights.

    Args:
        uri: models:/NAME/VERSION or models:/NAME@ALIAS.
        settings: say where MLflow is.
        root: the workspace, which relative places are taken from.

    Raises:
        UserError: MLflow has no such version, or the version was not registered from here.
        UnreachableError: MLflow stays away.
    """
    found = find_version(uri, settings, root)
    if WEIGHTS_TAG not in found.tags:
        raise UserError(f"{uri}: version {found.version} has no tag {WEIGHTS_TAG}: `dinov2 register` did not make it")
    return found.name, str(found.version), found.tags[WEIGHTS_TAG]


def find_version(uri: str, settings: Settings, root: Path) -> "ModelVersion":
    """The version in MLflow's registry that a URI leads to.

    Args:
        uri: models:/NAME/VERSION or models:/NAME@ALIAS.
        settings: say where MLflow is.
        root: the workspace, which relative places are taken from.

    Raises:
        UserError: MLflow has no such version.
        UnreachableError: MLflow stays away.
    """
    from mlflow.exceptions import MlflowException

    name, at, alias = uri.removeprefix(PREFIX).partition("@")
    version = ""
    if not at:
        name, _, version = name.partition("/")
    if not uri.startswith(PREFIX) or not name or not (alias or version):
        raise UserError(f"{uri!r}: not models:/NAME/VERSION or models:/NAME@ALIAS")
    client = connect(settings, root)
    try:
        find = client.get_model_version_by_alias if at else client.get_model_version
        return waited_for(lambda: find(name, alias or version), settings, root)
    except MlflowException as error:
        raise UserError(f"{uri}: {error.message}") from error
