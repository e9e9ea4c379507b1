"""Opening a backbone by what people write for it."""

from collections.abc import Callable
from pathlib import Path

import torch

from dinov2.errors import ConfigError
from dinov2.evaluation.backbones.backbone import Backbone
from dinov2.evaluation.backbones.hugging_face import open_hugging_face
from dinov2.evaluation.backbones.own import open_file, open_random
from dinov2.evaluation.backbones.pixels import open_pixels
from dinov2.evaluation.backbones.timm_models import open_timm

Opener = Callable[[str, int, torch.device], Backbone]
"""Opens one kind of backbone: from what stands after the colon, the seed of random weights, and the device."""

OPENERS: dict[str, Opener] = {
    "random": open_random,
    "pixels": open_pixels,
    "hf": open_hugging_face,
    "timm": open_timm,
}
"""By what stands before the colon; anything without one of these is a file."""
FILES = {".safetensors", ".pth", ".pt"}


def open_backbone(name: str, seed: int, device: torch.device) -> Backbone:
    """A backbone, frozen and in fp32.

    Args:
        name: a .safetensors written here, an official .pth or .pt, or `random:vit_small`, `pixels:14`, `hf:NAME`,
            `timm:NAME`.
        seed: of random weights.
        device: where it computes.

    Raises:
        ConfigError: the name is of no known kind, or needs a library that is not installed.
        DataError: the file cannot be used.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind in OPENERS:
        return OPENERS[kind](rest, seed, device)
    if "://" in name or Path(name).suffix not in FILES:
        allowed = ", ".join(f"{each}:NAME" for each in OPENERS)
        raise ConfigError(f"model {name!r}; allowed: a .safetensors or .pth file, {allowed}")
    return open_file(name, seed, device)
