"""Model versions in MLflow's registry: one for a backbone's weights and figures, however often it is registered."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dinov2.registry.client import connect, experiment_id, tracking_uri, waited_for
from dinov2.registry.delivery import DIGEST_TAG
from dinov2.registry.logged import Entry, log_facts, log_model
from dinov2.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CANDIDATE = "candidate"
"""Alias of the version that was registered last, which has yet to show that it should be the champion."""


def register(entry: Entry, settings: Settings, root: Path) -> "ModelVersion":
    """Make the version of `entry`, or find it when it is there, and let `candidate` point to it.

    Raises:
        UnreachableError, UserError, MlflowException: as `waited_for`.
    """
    return waited_for(lambda: _register(entry, settings, root), settings, root)


def _register(entry: Entry, settings: Settings, root: Path) -> "ModelVersion":
    client = connect(settings, root)
    found = _find(client, entry)
    if found is None:
        print(f"registering {entry.name}: copying weights and trying the model out", file=sys.stderr, flush=True)
        found = _create(client, entry, settings, root)
    client.set_registered_model_alias(entry.name, CANDIDATE, found.version)
    return found


def _find(client: "MlflowClient", entry: Entry) -> "ModelVersion | None":
    versions = client.search_model_versions(f"name = '{entry.name}'")
    return next((each for each in versions if each.tags.get(DIGEST_TAG) == entry.digest), None)


def _create(client: "MlflowClient", entry: Entry, settings: Settings, root: Path) -> "ModelVersion":
    from mlflow.exceptions import MlflowException

    model = log_model(entry, tracking_uri(settings, root), experiment_id(client, settings, root))
    log_facts(client, entry, model)
    try:
        client.create_registered_model(entry.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(
        entry.name,
        model.model_uri,
        run_id=model.run_id,
        tags={DIGEST_TAG: entry.digest, **entry.tags},
        description=entry.headline,
        model_id=model.model_id,
    )
