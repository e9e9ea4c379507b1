"""Backbones of this project: from a file, of the official release, or with random weights."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dinov2.data.images import normalise
from dinov2.errors import ConfigError
from dinov2.evaluation.backbones.backbone import Layer, grid, values_digest, wanted
from dinov2.models import ARCHITECTURES, VisionTransformer, create_model, load_backbone

RANDOM = re.compile(r"(?P<arch>[a-z0-9]+_[a-z0-9]+?)(?:_patch(?P<patch>\d+))?(?:_reg(?P<registers>\d+))?")
GRID = 16
"""Patches along the side of the images that a random backbone has positions for: 224 pixels with patches of 14."""


class OwnBackbone:
    """A `VisionTransformer`, in fp32; see `Backbone`.

    Attributes:
        model: the network itself, for what looks inside it.
        device: where it computes.
    """

    def __init__(self, model: VisionTransformer, device: torch.device) -> None:
        self.model, self.device = model.to(device).eval(), device
        self.digest, self.patch_size = values_digest(model, model.architecture()), model.patch_size
        self.embed_dim, self.depth = model.embed_dim, len(model.blocks)

    @torch.inference_mode()
    def layers(self, images: np.ndarray, blocks: int | Sequence[int]) -> list[Layer]:
        """See `Backbone.layers`."""
        size = grid(images, self.patch_size)
        x = normalise(images).to(self.device)
        found = self.model.get_intermediate_layers(x, wanted(blocks, self.depth))
        return [Layer(cls, patches.unflatten(1, size)) for patches, cls in found]

    def twin(self, seed: int) -> "OwnBackbone":
        """See `Backbone.twin`."""
        return OwnBackbone(random_twin(self.model, seed), self.device)


def random_twin(model: VisionTransformer, seed: int) -> VisionTransformer:
    """The same architecture with random weights drawn from `seed`.

    LayerScale starts at 1: at the 1e-5 of training the blocks add nothing, the cls token does not see the image, and
    the control would be no better than chance.
    """
    architecture: dict[str, Any] = {**model.architecture(), "layerscale": 1.0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VisionTransformer(**architecture).eval()


def open_file(name: str, _: int, device: torch.device) -> OwnBackbone:
    """A .safetensors written here, or an official .pth or .pt.

    Raises:
        DataError: the file is missing, damaged, or no backbone.
    """
    return OwnBackbone(load_backbone(Path(name)), device)


def open_random(name: str, seed: int, device: torch.device) -> OwnBackbone:
    """An architecture with random weights: vit_small, vit_small_patch16, vit_base_patch14_reg4 …

    LayerScale is 1, as in the control: at the 1e-5 of training the cls token would not see the image.

    Raises:
        ConfigError: the name is none of an architecture.
    """
    match = RANDOM.fullmatch(name)
    if not match or match["arch"] not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ConfigError(f"model random:{name}; allowed: one of {known}, then perhaps _patch14 and _reg4")
    patch, registers = int(match["patch"] or 14), int(match["registers"] or 0)
    if not patch:
        raise ConfigError(f"model random:{name}: patches of 0 pixels")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = create_model(
            match["arch"], img_size=GRID * patch, patch_size=patch, num_registers=registers, layerscale=1.0,
            interpolate_antialias=registers > 0, interpolate_offset=0.0 if registers else 0.1,
        )  # fmt: skip
    return OwnBackbone(model, device)
