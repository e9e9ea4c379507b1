"""What turns images into features: a backbone, or anything else with a digest."""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from dinov2.data.images import normalise
from dinov2.errors import ConfigError
from dinov2.models import VisionTransformer
from dinov2.storage import digest


@dataclass(frozen=True)
class ImageFeatures:
    """Features of N images, fp32: `cls` (N, D), and `patch` (N, D), the mean of the patch tokens."""

    cls: np.ndarray
    patch: np.ndarray


class Encoder(Protocol):
    """Turns images into features.

    Attributes:
        digest: names everything that the features depend on, besides the images and the resolution.
        resolution: side of the square images it takes, in pixels.
    """

    digest: str
    resolution: int

    def __call__(self, images: np.ndarray) -> ImageFeatures:
        """Features of (B, resolution, resolution, 3) uint8 RGB."""


class BackboneEncoder:
    """A backbone as an encoder, in fp32.

    Raises:
        ConfigError: `resolution` is not a multiple of the backbone's patch.
    """

    def __init__(self, model: VisionTransformer, resolution: int, device: torch.device) -> None:
        check_resolution(model, resolution, "evaluate.resolution")
        self.digest, self.resolution = weights_digest(model), resolution
        self._model, self._device = model.to(device), device

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> ImageFeatures:
        """Normalised features of the last layer of (B, H, W, 3) uint8."""
        found = self._model.forward_features(normalise(images).to(self._device))
        return ImageFeatures(found.cls.cpu().numpy(), found.patches.mean(dim=1).cpu().numpy())


def check_resolution(model: VisionTransformer, resolution: int, key: str) -> None:
    """Refuse a resolution that the model's patches do not tile.

    Raises:
        ConfigError: names `key` and the nearest sizes allowed.
    """
    patch = model.patch_size
    if resolution % patch:
        below = max(1, resolution // patch) * patch
        raise ConfigError(
            f"{key}: {resolution} is not a multiple of the patch, {patch}; near: {below}, {below + patch}"
        )


def weights_digest(model: VisionTransformer) -> str:
    """16 hexadecimal digits that name a model's architecture and the values of its weights."""
    values = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        values.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest(model.architecture(), values.hexdigest())
