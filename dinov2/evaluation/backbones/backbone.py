"""A frozen backbone, as evaluation sees it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from dinov2.errors import ConfigError
from dinov2.storage import digest

LAYERSCALES = (".gamma", ".lambda1")
"""What libraries call it."""


@dataclass(frozen=True)
class Layer:
    """Tokens after one block, normalised by the model's last norm: `cls` (B, D), `patches` (B, H/p, W/p, D)."""

    cls: Tensor
    patches: Tensor


class Backbone(Protocol):
    """Turns images into tokens.

    Attributes:
        digest: names everything that the tokens depend on, besides the images.
        patch_size: side of a patch in pixels.
        embed_dim: width D of a token.
        depth: number of blocks.
    """

    digest: str
    patch_size: int
    embed_dim: int
    depth: int

    def layers(self, images: np.ndarray, blocks: int | Sequence[int]) -> list[Layer]:
        """Tokens after several blocks, in their order, on the backbone's device.

        Args:
            images: (B, H, W, 3) uint8 RGB; H and W are multiples of the patch.
            blocks: how many of the last ones, or the numbers of those wanted, rising from 0.

        Raises:
            ConfigError: the patches do not tile the images, or there is no such block.
        """

    def twin(self, seed: int) -> "Backbone | None":
        """The same architecture with random weights that see the image, drawn from `seed`; None where it has none."""


def spread(depth: int) -> tuple[int, int, int, int]:
    """Four blocks spread over the depth, the last among them, counted from 0: what lin.4 and DPT read.

    Published as 3, 6, 9, 12 of 12, 5, 12, 18, 24 of 24 and 10, 20, 30, 40 of 40 (DINOv2, section 7.4).
    """
    if depth == 24:
        return 4, 11, 17, 23
    first, second, third = (max(0, quarter * depth // 4 - 1) for quarter in (1, 2, 3))
    return first, second, third, depth - 1


def wanted(blocks: int | Sequence[int], depth: int) -> list[int]:
    """The numbers that `blocks` means.

    Raises:
        ConfigError: there are not as many.
    """
    numbers = list(range(depth - blocks, depth)) if isinstance(blocks, int) else list(blocks)
    if not numbers or not (min(numbers) >= 0 and max(numbers) < depth) or numbers != sorted(set(numbers)):
        raise ConfigError(f"blocks {blocks} of a backbone that has {depth}")
    return numbers


def grid(images: np.ndarray, patch: int) -> tuple[int, int]:
    """Rows and columns of patches.

    Raises:
        ConfigError: they do not tile the images.
    """
    height, width = images.shape[1:3]
    if height % patch or width % patch:
        raise ConfigError(f"images of {width}×{height} pixels: not multiples of the patch, {patch}")
    return height // patch, width // patch


def scaled(images: np.ndarray, mean: Sequence[float], std: Sequence[float], device: torch.device) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32 with the mean and deviation that a model was trained with."""
    x_bhw3 = torch.from_numpy(np.ascontiguousarray(images)).to(device).float() / 255
    constants = (torch.tensor(each, dtype=torch.float32, device=device) for each in (mean, std))
    shift, scale = constants
    return ((x_bhw3 - shift) / scale).permute(0, 3, 1, 2).contiguous()


def open_eyes(model: nn.Module) -> nn.Module:
    """Set every LayerScale to 1: at the 1e-5 of training a model with random weights does not see the image."""
    for name, parameter in model.named_parameters():
        if name.endswith(LAYERSCALES):
            nn.init.ones_(parameter)
    return model


def first_line(error: Exception) -> str:
    """What another library says, which may be pages."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def values_digest(model: nn.Module, *told: object) -> str:
    """16 hexadecimal digits that name `told` and the values of a model's weights."""
    values = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        values.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return digest(list(told), values.hexdigest())
