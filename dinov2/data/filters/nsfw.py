"""Images that a classifier of the user's finds unfit: not safe for work, or whatever else it tells."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import onnxruntime
import torch
from pydantic import Field, NonNegativeInt, PositiveInt

from dinov2.data.filters.protocol import Filter, Place, WithFiles
from dinov2.data.images import IMAGENET_MEAN, IMAGENET_STD, Pixels
from dinov2.errors import ConfigError

Network = Callable[[np.ndarray], np.ndarray]
"""(1, 3, S, S) float32 to its outputs."""

SCALES = {"imagenet": (IMAGENET_MEAN, IMAGENET_STD), "half": ((0.5,) * 3, (0.5,) * 3), "unit": ((0.0,) * 3, (1.0,) * 3)}


class NsfwConfig(WithFiles):
    """A classifier, what it wants to see and which of its outputs counts."""

    kind: Literal["nsfw"]
    model: str = Field(min_length=1, description="TorchScript (.pt) or .onnx file, relative to the workspace")
    threshold: float = Field(description="images of a larger score are left out")
    size: PositiveInt = Field(224, description="side of the square images that it takes; images are squeezed to it")
    normalise: Literal["imagenet", "half", "unit"] = Field(
        "imagenet", description="RGB by ImageNet's mean and deviation, to -1 … 1, or to 0 … 1"
    )
    output: NonNegativeInt = Field(0, description="which of its outputs is the score, from 0")
    activation: Literal["none", "sigmoid", "softmax"] = Field("none", description="what makes outputs a score")

    def files(self) -> dict[str, str]:
        """See `WithFiles`."""
        return {"model": self.model}


class Nsfw(Filter):
    """Judges by one output of a network that takes (1, 3, size, size) float32 and gives (1, classes) or (1,).

    Raises:
        ConfigError: the file is neither TorchScript nor ONNX, or does not take or give that.
    """

    kind = "nsfw"

    def __init__(self, config: NsfwConfig, place: Place) -> None:
        super().__init__(config, place)
        self._config, self.side = config, config.size
        self._where = f"{place.key}.model: {config.model!r}"
        self._network = _open(place.file("model", config.model), self._where)
        self._score(np.zeros((1, 3, config.size, config.size), np.float32))

    def by_pixels(self, image: Pixels) -> str | None:
        """See `Filter`."""
        score = self._score(self._input(image))
        passes = score <= self._config.threshold  # which no number that is none does
        return None if passes else f"scored {score:.3f}, allowed is {self._config.threshold:g}"

    def _input(self, image: Pixels) -> np.ndarray:
        shrinks = min(image.shape[:2]) >= self._config.size
        square = cv2.resize(
            image, (self._config.size,) * 2, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        mean, deviation = (np.array(each, np.float32) for each in SCALES[self._config.normalise])
        scaled = (square.astype(np.float32) / 255 - mean) / deviation
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])

    def _score(self, x_bchw: np.ndarray) -> float:
        try:
            outputs = self._network(x_bchw)
        except Exception as error:  # each library has its own
            shape = "×".join(map(str, x_bchw.shape))
            raise ConfigError(f"{self._where}: does not take {shape} float32: {_first_line(error)}") from None
        if outputs.size <= self._config.output or outputs.shape not in ((1,), (1, outputs.size)):
            raise ConfigError(
                f"{self._where}: gives an output of shape {tuple(outputs.shape)} for one image; "
                f"(1, classes) with more than output: {self._config.output} classes is needed"
            )
        x_c = outputs.ravel().astype(np.float64)
        if self._config.activation == "sigmoid":
            x_c = 1 / (1 + np.exp(-x_c))
        elif self._config.activation == "softmax":
            x_c = np.exp(x_c - x_c.max()) / np.exp(x_c - x_c.max()).sum()
        return float(x_c[self._config.output])


def _open(path: Path, where: str) -> Network:
    """The network in a file, by what its suffix says that it is."""
    try:
        return _onnx(path) if path.suffix.lower() == ".onnx" else _torchscript(path)
    except Exception as error:  # each library has its own
        raise ConfigError(f"{where}: neither TorchScript nor (with suffix .onnx) ONNX: {_first_line(error)}") from None


def _onnx(path: Path) -> Network:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # many images are looked at side by side
    options.log_severity_level = 4  # it says by exceptions what goes wrong
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x_bchw: np.asarray(session.run(None, {name: x_bchw})[0])


def _torchscript(path: Path) -> Network:
    module: Any = torch.jit.load(str(path), map_location="cpu").eval()

    def network(x_bchw: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            outputs = module(torch.from_numpy(x_bchw))
        return np.asarray(outputs.float())

    return network


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
