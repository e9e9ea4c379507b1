"""The registered model as MLflow serves it: images in, embeddings out. MLflow runs this file; nothing is unpickled."""

import base64
import binascii
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch

from dinov2.data.images import decode_rgb, evaluation_side, evaluation_view
from dinov2.errors import DataError
from dinov2.evaluation.encoder import BackboneEncoder
from dinov2.models import load_backbone

COLUMN = "image"
BATCH = 64


class ServedBackbone(mlflow.pyfunc.PythonModel):
    """A backbone with the preparation of images that it was evaluated with."""

    def load_context(self, context: Any) -> None:
        """Read the weights; called by MLflow, once."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = load_backbone(Path(context.artifacts["weights"]))
        self._encoder = BackboneEncoder(model, context.model_config["resolution"], device)

    def predict(self, model_input: pd.DataFrame) -> np.ndarray:
        """Class tokens (N, D) float32 of the N images in the column `image`.

        A cell holds a path, the bytes of an image file, these in base64, or pixels (H, W, 3) uint8 RGB.

        Raises:
            DataError: a cell holds no image, or there is no row.
        """
        if not len(model_input):
            raise DataError(f"no row in the column {COLUMN!r}")
        cells = list(model_input[COLUMN])
        return np.concatenate([self._embed(cells[start : start + BATCH]) for start in range(0, len(cells), BATCH)])

    def _embed(self, cells: list[Any]) -> np.ndarray:
        return self._encoder(np.stack([view(cell, self._encoder.resolution) for cell in cells])).cls


def view(cell: Any, resolution: int) -> np.ndarray:
    """(resolution, resolution, 3) uint8 of one cell, prepared as for evaluation.

    Raises:
        DataError: it holds no image.
    """
    if isinstance(cell, np.ndarray):
        if cell.ndim != 3 or cell.shape[2] != 3 or cell.dtype != np.uint8:
            raise DataError(f"pixels of shape {cell.shape} and type {cell.dtype}: wanted (H, W, 3) uint8")
        return evaluation_view(cell, resolution)
    data = cell if isinstance(cell, bytes) else _file_or_base64(str(cell))
    return evaluation_view(decode_rgb(data, evaluation_side(resolution)), resolution)


def _file_or_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        pass  # as nearly every path is: the dot before its suffix is no letter of base64
    try:
        return Path(text).read_bytes()
    except OSError as error:
        raise DataError(f"{text[:200]!r}: neither base64 nor a file: {error.strerror}") from None


mlflow.models.set_model(ServedBackbone())
