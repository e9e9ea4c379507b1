"""What pictures need of a model: patch tokens, and in the last block their norms and who attends to them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dinov2.data.images import normalise
from dinov2.evaluation.backbones import Backbone
from dinov2.models import VisionTransformer
from dinov2.models.block import Block
from dinov2.progress import track


def patch_features(backbone: Backbone, images: np.ndarray, description: str) -> np.ndarray:
    """(N, h, w, D) fp32 patch tokens of (N, H, W, 3) uint8 images, one image at a time: they are large."""
    shown = track(images, f"pictures, {description}", len(images))
    return np.concatenate([backbone.layers(image[None], 1)[0].patches.float().cpu().numpy() for image in shown])


@dataclass(frozen=True)
class LastBlock:
    """The last block of a vision transformer on N images.

    Attributes:
        norms: (N, h, w) Euclidean length of each patch token as it leaves the block, before the last norm evens it out.
        attention: (N, heads, 1 + R, h, w) share of its attention that cls, and then each register, gives each patch;
            what is missing from 1 goes to cls and registers.
    """

    norms: np.ndarray
    attention: np.ndarray


@torch.inference_mode()
def last_block(model: VisionTransformer, images: np.ndarray, device: torch.device, description: str) -> LastBlock:
    """What happens to (N, H, W, 3) uint8 images in the last block, one image at a time."""
    block, first = model.blocks[-1], 1 + model.num_registers
    assert isinstance(block, Block)
    grid = tuple(side // model.patch_size for side in images.shape[1:3])
    norms, attention = [], []
    kept: list[Tensor] = []
    hook = block.attn.qkv.register_forward_hook(_keep(kept))
    try:
        for image in track(images, f"last block, {description}", len(images)):
            ((patches_bnd, _),) = model.get_intermediate_layers(normalise(image[None]).to(device), 1, norm=False)
            q_nhd, k_nhd, _ = kept.pop().unflatten(-1, (3, model.num_heads, -1)).unbind(1)
            scores_hqn = torch.einsum("qhd,nhd->hqn", q_nhd[:first], k_nhd) * q_nhd.shape[-1] ** -0.5
            attention.append(scores_hqn.softmax(-1)[..., first:].unflatten(-1, grid).float().cpu().numpy())
            norms.append(patches_bnd[0].norm(dim=-1).unflatten(0, grid).float().cpu().numpy())
    finally:
        hook.remove()
    return LastBlock(np.stack(norms), np.stack(attention))


def _keep(kept: list[Tensor]) -> Any:
    def hook(_: nn.Module, __: Any, out: Tensor) -> None:
        kept.append(out)

    return hook
