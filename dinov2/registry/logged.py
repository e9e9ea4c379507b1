"""A model as MLflow logs it: weights and card without a pickle, what it takes and gives, and what it scored on what."""

import json
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinov2.registry.delivery import METRICS_AT_ONCE

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVED = Path(__file__).with_name("served.py")
PACKAGE = Path(__file__).parents[1]
DATASET_DIGEST = 36
"""Characters that MLflow has for one."""
REQUIREMENTS = (
    "torch", "numpy", "pandas", "opencv-python-headless", "pillow", "pyarrow", "safetensors", "pydantic",
    "pydantic-settings", "pyyaml", "rich", "fsspec", "s3fs", "scikit-image", "scikit-learn",
)  # fmt: skip
"""What the served model imports, beside MLflow; the package itself travels with it."""


@dataclass(frozen=True)
class Images:
    """A manifest as DVC keeps it.

    Attributes:
        path: in the workspace.
        sha256: of its bytes.
        md5: of its bytes, DVC's own name of this revision of the file.
    """

    path: str
    sha256: str
    md5: str


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
        figures: what it scored, by name.
        images: the manifest of the images that it was evaluated on.
    """

    name: str
    digest: str
    weights: Path
    embed_dim: int
    resolution: int
    headline: str
    card: str
    tags: dict[str, str]
    figures: dict[str, float]
    images: Images


def log_model(entry: Entry, uri: str, experiment: str) -> Any:
    """The model, logged by a run of its own: weights, card, preparation of images, and this package."""
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


def log_facts(client: "MlflowClient", entry: Entry, model: Any) -> None:
    """Figures, and the images that they were measured on, for the model and the run that made it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric

    images, now = entry.images, round(time.time() * 1000)
    # The whole digest is in the source, and in the version's tags.
    digest = images.sha256[:DATASET_DIGEST]
    source = json.dumps({"path": images.path, "sha256": images.sha256, "md5": images.md5})
    read = Dataset(images.path, digest, "dvc", source)
    client.log_inputs(model.run_id, [DatasetInput(read, [InputTag("mlflow.data.context", "evaluation")])])
    metrics = [Metric(*each, now, 0, model.model_id, images.path, digest) for each in entry.figures.items()]
    for start in range(0, len(metrics), METRICS_AT_ONCE):
        client.log_batch(model.run_id, metrics[start : start + METRICS_AT_ONCE])


def _signature(embed_dim: int) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    # One column without a name: MLflow then takes a plain list as well as a table.
    inputs = Schema([ColSpec(AnyType())])
    return ModelSignature(inputs, Schema([TensorSpec(np.dtype(np.float32), (-1, embed_dim), "embedding")]))


def _example() -> Any:
    """A grey image in base64, as a request over HTTP would hold it."""
    import base64

    import cv2
    import numpy as np
    import pandas as pd

    png = cv2.imencode(".png", np.full((32, 32, 3), 128, np.uint8))[1]
    return pd.DataFrame({"image": [base64.b64encode(png.tobytes()).decode()]})
