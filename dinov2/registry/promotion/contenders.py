"""Finding the versions that compete."""

from pathlib import Path
from typing import TYPE_CHECKING

from dinov2.errors import UserError
from dinov2.registry.client import connect, waited_for
from dinov2.registry.fetch import PREFIX, WEIGHTS_TAG, find_version
from dinov2.registry.figures import is_figure
from dinov2.registry.promotion.comparison import Contender
from dinov2.settings import Settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
"""Alias of the version that is in use."""
PREVIOUS = "previous_champion"
"""Alias of the version that was in use before."""
MANIFEST_TAG = "dinov2.manifest_sha256"
RUN_TAG = "dinov2.run"
COMMIT_TAG = "dinov2.commit"


def contender(uri: str, settings: Settings, root: Path) -> Contender:
    """The version that a URI leads to, and what is known of it.

    Raises:
        UserError: MLflow has no such version, or it was not registered from here.
        UnreachableError: MLflow stays away.
    """
    found = find_version(uri, settings, root)
    if missing := [tag for tag in (WEIGHTS_TAG, MANIFEST_TAG) if tag not in found.tags]:
        raise UserError(f"{uri}: version {found.version} has no tag {missing[0]}: `dinov2 register` did not make it")
    return Contender(
        model=found.name,
        version=str(found.version),
        weights_sha256=found.tags[WEIGHTS_TAG],
        manifest_sha256=found.tags[MANIFEST_TAG],
        run=found.tags.get(RUN_TAG, ""),
        commit=found.tags.get(COMMIT_TAG, ""),
        figures=tuple(_registered(found, settings, root)),
    )


def registered(model: str, version: str, settings: Settings, root: Path) -> dict[str, float]:
    """The metrics that a version was registered with, by name.

    Raises:
        UserError: MLflow has no such version.
        UnreachableError: MLflow stays away.
    """
    return _registered(find_version(f"{PREFIX}{model}/{version}", settings, root), settings, root)


def _registered(version: "ModelVersion", settings: Settings, root: Path) -> dict[str, float]:
    client, run_id = connect(settings, root), version.run_id
    measured = waited_for(lambda: client.get_run(run_id), settings, root).data.metrics if run_id else {}
    return {name: value for name, value in sorted(measured.items()) if is_figure(name)}


def aliases(model: str, settings: Settings, root: Path) -> dict[str, str]:
    """Aliases of a registered model and the versions that they point to.

    Raises:
        UserError: MLflow has no model of that name.
        UnreachableError: MLflow stays away.
    """
    from mlflow.exceptions import MlflowException

    client = connect(settings, root)
    try:
        found = waited_for(lambda: client.get_registered_model(model), settings, root)
    except MlflowException as error:
        raise UserError(f"{model}: {error.message}") from error
    return {alias: str(version) for alias, version in found.aliases.items()}


def champion_of(model: str, settings: Settings, root: Path) -> Contender | None:
    """The champion of a registered model; None where there is none yet.

    Raises:
        UserError: MLflow has no model of that name, or its champion was not registered from here.
        UnreachableError: MLflow stays away.
    """
    version = aliases(model, settings, root).get(CHAMPION)
    return contender(f"{PREFIX}{model}/{version}", settings, root) if version else None
