"""Model versions in MLflow's registry: one for a backbone's weights and figures, however often it is registered."""

import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinov2.registry.client import connect, experiment_id, tracking_uri, waited_for
from dinov2.registry.delivery import DIGEST_TAG
from dinov2.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CANDIDATE = "candidate"
"""Alias of the newest version, which has yet to show that it should be the champion."""
SERVED = Path(__file__).with_name("served.py")
PACKAGE = Path(__file__).parents[1]
REQUIREMENTS = (
    "torch", "numpy", "pandas", "opencv-python-headless", "pillow", "pyarrow", "safetensors", "pydantic",
    "pydantic-settings", "pyyaml", "rich", "fsspec", "s3fs", "scikit-image", "scikit-learn",
)  # fmt: skip
"""What the served model imports, beside MLflow; the package itself travels with it."""


@dataclass(frozen=True)
class Entry:
    """What is to be registered.

    Attributes:
        name: of the registered model.
        digest: names weights, figures, images and preparation; one version a digest.
        weights: the backbone's safetensors file.
        embed_dim: numbers in an embedding.
        resolution: side of the square that images are cut to.
        headline: the version's description, a sentence.
        card: the model card, Markdown.
        tags: further facts of the version.
    """

    name: str
    digest: str
    weights: Path
    embed_dim: int
    resolution: int
    headline: str
    card: str
    tags: dict[str, str]


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

    model = _log_model(entry, tracking_uri(settings, root), experiment_id(client, settings, root))
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


def _log_model(entry: Entry, uri: str, experiment: str) -> Any:
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    with (
        tempfile.TemporaryDirectory() as folder,
        mlflow.start_run(experiment_id=experiment, run_name=f"register {entry.name}"),
    ):
        card = Path(folder) / "card.md"
        card.write_text(entry.card, encoding="utf-8")
        return mlflow.pyfunc.log_model(
            name=entry.name,
            python_model=str(SERVED),
            artifacts={"weights": str(entry.weights), "card": str(card)},
            model_config={"resolution": entry.resolution},
            code_paths=[str(PACKAGE)],
            pip_requirements=[f"mlflow=={version('mlflow')}", *(f"{name}=={version(name)}" for name in REQUIREMENTS)],
            signature=_signature(entry.embed_dim),
            input_example=_example(),
        )


def _signature(embed_dim: int) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    inputs = Schema([ColSpec(AnyType(), "image")])
    return ModelSignature(inputs, Schema([TensorSpec(np.dtype(np.float32), (-1, embed_dim), "embedding")]))


def _example() -> Any:
    """A grey image in base64, as a request over HTTP would hold it."""
    import base64

    import cv2
    import numpy as np
    import pandas as pd

    png = cv2.imencode(".png", np.full((32, 32, 3), 128, np.uint8))[1]
    return pd.DataFrame({"image": [base64.b64encode(png.tobytes()).decode()]})
