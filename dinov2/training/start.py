"""Networks that start from weights of an earlier run or of the official release."""

from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from dinov2.errors import DataError
from dinov2.models import VisionTransformer
from dinov2.models.embedding import interpolate_positions
from dinov2.models.files import read_networks
from dinov2.models.official import under
from dinov2.models.pickled import Which
from dinov2.models.weights import check_fit
from dinov2.training.network import Network


def begin(network: Network, path: Path, which: Which = "teacher") -> bool:
    """Load the weights of a file into `network`, all or none of them.

    Position embeddings are resampled to the network's grid; everything else must fit. Attention heads are the one
    size that tensors do not tell.

    Args:
        network: backbone and heads, not sharded yet.
        path: backbone.safetensors, training.safetensors, or an official .pth or .pt.
        which: network wanted of a training file that has both.

    Returns:
        Whether the file has heads, which were then loaded too.

    Raises:
        DataError: the file is missing, damaged or of another kind, or says what differs.
    """
    tensors = read_networks(path, which)
    parts = {"backbone": _resampled(under(tensors, "backbone."), network.backbone)}
    parts |= _heads(network, tensors, path)
    for name, own in parts.items():
        check_fit(getattr(network, name), own, f"{path}: {name}")
    for name, own in parts.items():
        getattr(network, name).load_state_dict(own)
    return len(parts) > 1


def _heads(network: Network, tensors: dict[str, Tensor], path: Path) -> dict[str, dict[str, Tensor]]:
    """The heads' tensors under the heads' names; empty where there are none."""
    dino, ibot = (under(tensors, prefix) for prefix in ("dino_head.", "ibot_head."))
    if not dino and not ibot:
        return {}
    shared = network.dino_head is network.ibot_head
    if not ibot and not shared:
        raise DataError(f"{path}: has one head for both losses, the network two (heads.shared is false)")
    if ibot and shared and not _equal(dino, ibot):
        raise DataError(f"{path}: has two heads, the network one for both losses (heads.shared is true)")
    return {"dino_head": dino} if shared else {"dino_head": dino, "ibot_head": ibot}


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def _resampled(tensors: dict[str, Tensor], backbone: VisionTransformer) -> dict[str, Tensor]:
    """With positions at the backbone's grid, unless they are those of no square grid, which then do not fit."""
    positions = tensors.get("pos_embed")
    if positions is None or positions.ndim != 3 or positions.shape[1] < 2:
        return tensors
    if isqrt(positions.shape[1] - 1) ** 2 != positions.shape[1] - 1:
        return tensors
    side = backbone.img_size // backbone.patch_size
    resampled = interpolate_positions(
        positions, side, side, backbone.interpolate_antialias, backbone.interpolate_offset
    )
    return tensors | {"pos_embed": resampled}
