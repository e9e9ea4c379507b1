"""The registered model as MLflow serves it: images in, embeddings out. MLflow runs this file; nothing is unpickled."""

import base64
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch

from dinov2.data.images import decode_rgb, evaluation_side, evaluation_view
from dinov2.errors import DataError
from dinov2.evaluation.backbones import OwnBackbone
from dinov2.models import load_backbone

BATCH = 64
WANTED = "wanted (H, W, 3) uint8"


class ServedBackbone(mlflow.pyfunc.PythonModel):
    """A backbone with the preparation of images that it was evaluated with."""

    def load_context(self, context: Any) -> None:
        """Read the weights; called by MLflow, once."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = load_backbone(Path(context.artifacts["weights"]))
        self._backbone, self._resolution = OwnBackbone(model, device), context.model_config["resolution"]

    def predict(self, model_input: pd.DataFrame) -> np.ndarray:
        """Class tokens (N, D) float32 of the N images in the first column.

        A cell holds a path, the bytes of an image file, these in base64, or pixels (H, W, 3) uint8 RGB, as an array or
        as nested lists, which is how JSON has them. MLflow makes the column of a plain list of paths or bytes.

        Raises:
            DataError: a cell holds no image, or there is none.
        """
        cells = [image for cell in model_input.iloc[:, 0] for image in _images(cell)]
        if not cells:
            raise DataError("no image was given")
        return np.concatenate([self._embed(cells[start : start + BATCH]) for start in range(0, len(cells), BATCH)])

    def _embed(self, cells: list[Any]) -> np.ndarray:
        images = np.stack([view(cell, self._resolution) for cell in cells])
        return self._backbone.layers(images, 1)[0].cls.cpu().numpy()


def _images(cell: Any) -> list[Any]:
    """The images of one cell: one, or all of `{"image": [path, ...]}`, of which MLflow makes a single row."""
    return cell if isinstance(cell, list) and all(isinstance(each, str) for each in cell) else [cell]


def view(cell: Any, resolution: int) -> np.ndarray:
    """(resolution, resolution, 3) uint8 of one image, prepared as for evaluation.

    Raises:
        DataError: it is none.
    """
    if isinstance(cell, np.ndarray | list):
        return evaluation_view(_pixels(cell), resolution)
    data = cell if isinstance(cell, bytes) else _file_or_base64(str(cell))
    return evaluation_view(decode_rgb(data, evaluation_side(resolution)), resolution)


def _pixels(cell: np.ndarray | list[Any]) -> np.ndarray:
    try:
        found = np.asarray(cell)
    except ValueError:
        raise DataError(f"pixels in nested lists of unequal lengths: {WANTED}") from None
    if found.ndim != 3 or found.shape[2] != 3 or found.dtype.kind not in "ui":
        raise DataError(f"pixels of shape {found.shape} and type {found.dtype}: {WANTED}")
    if found.dtype != np.uint8 and found.size and not 0 <= found.min() <= found.max() <= 255:
        raise DataError(f"pixels from {found.min()} to {found.max()}: {WANTED}")
    return found.astype(np.uint8)


def _file_or_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        pass  # as nearly every path is: the dot before its suffix is no letter of base64
    try:
        return Path(text).read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"{text[:200]!r}: neither base64 nor a file: {error}") from None


mlflow.models.set_model(ServedBackbone())
