"""The user's copy detection network, in TorchScript: that of SSCD or any other that takes images and gives vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from dinov2.curation.config import SscdConfig
from dinov2.curation.descriptors.alone import Alone
from dinov2.curation.descriptors.protocol import unit
from dinov2.data.images import Pixels
from dinov2.errors import DataError
from dinov2.storage import digest, file_sha256

VERSION = 1


class SscdDescriptor:
    """What a TorchScript network gives of an image, prepared as SSCD's authors do (Pizzi et al. 2022; their README).

    The shorter side is brought to 288 pixels, or the image to a square, by antialiased bilinear interpolation; mean and
    deviation are ImageNet's. The thresholds are those for which LVD-142M was deduplicated (Oquab et al. 2023, A.3).

    Args:
        config: which file and preparation.
        root: the workspace.
        device: what to compute on.

    Raises:
        DataError: the file is missing, is no TorchScript, or does not turn an image into a vector of finite numbers.
    """

    copies_above, leaks_above = 0.6, 0.45

    def __init__(self, config: SscdConfig, root: Path, device: torch.device) -> None:
        self._fault = f"embed: sscd: weights: {config.weights!r}"
        self._network = _load(root / config.weights, device, self._fault)
        self._describe, self._config = Alone(self._run, device, None if config.square else 1), config
        self.digest = digest("sscd", VERSION, file_sha256(root / config.weights), config.resolution, config.square)
        self.shortest = config.resolution
        self.dim = self.embed([np.full((config.resolution, config.resolution, 3), 128, np.uint8)]).shape[1]

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (B, D) float32; see `Descriptor`."""
        return unit(self._describe([self._view(image) for image in images]), f"{self._fault}: vectors")

    def _view(self, image: Pixels) -> Pixels:
        side, (height, width) = self._config.resolution, image.shape[:2]
        if self._config.square:
            return _resized(image, side, side)
        shorter = min(height, width)
        return _resized(image, side * height // shorter, side * width // shorter)

    def _run(self, x_bchw: Tensor) -> Tensor:
        # Fused kernels, which the third and later calls would get, round otherwise.
        with torch.jit.optimized_execution(False):
            try:
                found = self._network(x_bchw)
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[-1]
                raise DataError(f"{self._fault}: fails on images {tuple(x_bchw.shape)}: {reason}") from None
        count, shape = len(x_bchw), tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != count or not found.is_floating_point():
            raise DataError(f"{self._fault}: gave {shape} for {count} images; wanted ({count}, D) of floats")
        return found


def _load(path: Path, device: torch.device, fault: str) -> torch.jit.ScriptModule:
    if not path.is_file():
        raise DataError(f"{fault}: no such file")
    try:
        return torch.jit.load(str(path), map_location=device).eval()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{fault}: not a TorchScript file: {reason}") from None


def _resized(image: Pixels, height: int, width: int) -> Pixels:
    x_bchw = torch.from_numpy(image).unsqueeze(0).permute(0, 3, 1, 2)
    found = interpolate(x_bchw, (height, width), mode="bilinear", antialias=True)[0]
    return np.ascontiguousarray(found.permute(1, 2, 0).numpy())
