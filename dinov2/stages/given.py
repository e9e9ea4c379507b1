"""Weights that are given and not made here: files, and versions in MLflow's registry, which become files."""

import json
from pathlib import Path

from dinov2.curation.config import DescriptorConfig
from dinov2.errors import ConfigError, DataError
from dinov2.registry.fetch import fetch_weights, registered
from dinov2.stages.context import Context
from dinov2.stages.files import GIVEN
from dinov2.stages.learnt import local_path
from dinov2.stages.params import PARAMS
from dinov2.storage import file_sha256

MODELS = "models:/"


def use_of(context: Context, config: DescriptorConfig) -> str:
    """What the parameters use a descriptor for: "copy" or "retrieval"; the first of the two when it is both."""
    return "copy" if context.params.embed.copy_ == config else "retrieval"


def note(context: Context, key: str, name: str) -> str | dict[str, str]:
    """What `dinov2 scan` writes of a name: a file's sha256; the version that a model is now, and its weights' sha256.

    Raises:
        ConfigError: there is no such file.
        UserError: MLflow has no such version, or cannot be reached.
    """
    if not name.startswith(MODELS):
        return file_sha256(context.given(key, name))
    model, version, sha256 = registered(name, context.settings, context.root)
    return {"version": f"{MODELS}{model}/{version}", "sha256": sha256}


def given_file(context: Context, key: str, name: str) -> Path:
    """The file that a name stands for; the version of a model that the last scan saw is fetched, once.

    Raises:
        ConfigError: there is no such file, or no scan saw the model.
        UserError: MLflow does not have that version any more, or cannot be reached.
        DataError: the version's weights are not those that the scan saw.
    """
    if not name.startswith(MODELS):
        return context.given(key, name)
    path = context.path(GIVEN)
    noted = json.loads(path.read_text(encoding="utf-8")).get(name) if path.is_file() else None
    if not isinstance(noted, dict):
        raise ConfigError(f"{PARAMS}: {key}: {name!r}: {GIVEN} does not know it; run `dinov2 scan`")
    file = local_path(context, noted["sha256"])
    if not file.is_file() or file_sha256(file) != noted["sha256"]:
        fetch_weights(noted["version"], file, context.settings, context.root)
        if (found := file_sha256(file)) != noted["sha256"]:
            file.unlink()
            raise DataError(
                f"{name}: the weights of {noted['version']} have sha256 {found}, {GIVEN} says {noted['sha256']}; "
                "run `dinov2 scan`"
            )
    return file
