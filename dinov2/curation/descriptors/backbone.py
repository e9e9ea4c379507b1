"""A trained backbone as a descriptor: the cls token of any weights file written by this project."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dinov2.curation.config import BackboneConfig
from dinov2.curation.descriptors.protocol import unit
from dinov2.data.images import center_crop, normalise, resize_shortest
from dinov2.errors import ConfigError
from dinov2.models import load_backbone
from dinov2.storage import digest, file_sha256


class BackboneDescriptor:
    """The normalised cls token, in fp32.

    Equal images give equal vectors up to rounding: the last bits depend on the machine and its number of threads.

    Args:
        config: which weights and resolution.
        root: the workspace.
        device: what to compute on.

    Raises:
        DataError: the weights file is missing or damaged.
        ConfigError: the resolution is not a multiple of the patch.
    """

    def __init__(self, config: BackboneConfig, root: Path, device: torch.device) -> None:
        path = root / config.weights
        self._model = load_backbone(path).to(device)
        self._device = device
        patch = self._model.patch_size
        if config.resolution % patch:
            raise ConfigError(f"embed: backbone: resolution: {config.resolution}: not a multiple of the patch, {patch}")
        self.digest = digest("backbone", file_sha256(path), config.resolution)
        self.dim = self._model.embed_dim
        self.shortest = self._side = config.resolution

    @torch.inference_mode()
    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (B, D) float32 of the images' centres; see `Descriptor`."""
        views = np.stack([center_crop(resize_shortest(image, self._side), self._side) for image in images])
        return unit(self._model.forward_features(normalise(views).to(self._device)).cls.cpu().numpy())
