"""A trained backbone as a descriptor: its cls token."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dinov2.curation.config import BackboneConfig
from dinov2.curation.descriptors.alone import Alone
from dinov2.curation.descriptors.protocol import unit
from dinov2.data.images import center_crop, resize_shortest
from dinov2.errors import ConfigError
from dinov2.models import load_backbone
from dinov2.storage import digest, file_sha256

VERSION = 1


class BackboneDescriptor:
    """The normalised cls token, in fp32. Copies are not what it is made for: its thresholds find near-equal pictures.

    Args:
        config: which weights and resolution; the weights are a file.
        root: the workspace.
        device: what to compute on.

    Raises:
        DataError: the weights file is missing or damaged; or, when images are embedded, gives no finite numbers.
        ConfigError: the resolution is not a multiple of the patch.
    """

    copies_above, leaks_above = 0.9, 0.85

    def __init__(self, config: BackboneConfig, root: Path, device: torch.device) -> None:
        path = root / config.weights
        model = load_backbone(path).to(device)
        self._cls, self._told = Alone(model, device), f"embed: backbone: weights: {config.weights!r}: vectors"
        patch = model.patch_size
        if config.resolution % patch:
            raise ConfigError(f"embed: backbone: resolution: {config.resolution}: not a multiple of the patch, {patch}")
        self.digest = digest("backbone", VERSION, file_sha256(path), config.resolution)
        self.dim = model.embed_dim
        self.shortest = self._side = config.resolution

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (B, D) float32 of the images' centres; see `Descriptor`."""
        views = [center_crop(resize_shortest(image, self._side), self._side) for image in images]
        return unit(self._cls(views), self._told)
