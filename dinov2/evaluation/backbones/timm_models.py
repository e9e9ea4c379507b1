"""Vision transformers of timm, where that library is installed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dinov2.data.images import IMAGENET_MEAN, IMAGENET_STD
from dinov2.errors import ConfigError, DataError
from dinov2.evaluation.backbones.backbone import Layer, first_line, grid, open_eyes, scaled, values_digest, wanted


class TimmBackbone:
    """A VisionTransformer of timm with a class token; see `Backbone`."""

    def __init__(self, name: str, model: Any, device: torch.device) -> None:
        if not hasattr(model, "forward_intermediates") or not getattr(model, "has_class_token", False):
            raise ConfigError(f"model timm:{name}: a {type(model).__name__}; allowed: ViTs that have a class token")
        told = getattr(model, "pretrained_cfg", None) or {}
        self._mean, self._std = told.get("mean", IMAGENET_MEAN), told.get("std", IMAGENET_STD)
        self._name, self._model, self._device = name, model.to(device).eval(), device
        self.patch_size, self.embed_dim = int(model.patch_embed.patch_size[0]), int(model.embed_dim)
        self.depth = len(model.blocks)
        self.digest = values_digest(model, "timm", name, [*self._mean], [*self._std])

    @torch.inference_mode()
    def layers(self, images: np.ndarray, blocks: int | Sequence[int]) -> list[Layer]:
        """See `Backbone.layers`."""
        size = grid(images, self.patch_size)
        x = scaled(images, self._mean, self._std, self._device)
        found = self._model.forward_intermediates(
            x, indices=wanted(blocks, self.depth), return_prefix_tokens=True, norm=True, output_fmt="NLC",
            intermediates_only=True,
        )  # fmt: skip
        return [Layer(prefix[:, 0], patches.unflatten(1, size)) for patches, prefix in found]

    def twin(self, seed: int) -> "TimmBackbone":
        """See `Backbone.twin`."""
        import timm

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = timm.create_model(self._name, pretrained=False, num_classes=0, dynamic_img_size=True)
        return TimmBackbone(self._name, open_eyes(model), self._device)


def open_timm(name: str, _: int, device: torch.device) -> TimmBackbone:
    """A name that timm knows, such as vit_small_patch14_dinov2.lvd142m, with its pretrained weights.

    Raises:
        ConfigError: timm is not installed, does not know the name, or the model is no ViT with a class token.
        DataError: its weights cannot be fetched.
    """
    try:
        import timm
    except ImportError as error:
        raise ConfigError(f"model timm:{name} needs the library timm: {error}") from None
    try:
        # Images need not be of the one size that the weights were trained at.
        model = timm.create_model(name, pretrained=True, num_classes=0, dynamic_img_size=True)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(f"model timm:{name}: {first_line(error)}") from None
    except OSError as error:
        raise DataError(f"model timm:{name}: {first_line(error)}") from None
    return TimmBackbone(name, model, device)
