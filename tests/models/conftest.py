"""Weights with the names and shapes of the official release, written out by hand, and random values."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor


def official_shapes(
    width: int, depth: int, patch: int = 14, grid: int = 37, registers: int = 0, swiglu: int = 0, chunk: int = 0
) -> dict[str, tuple[int, ...]]:
    """Shapes by name. `swiglu`: hidden width of the gated feed-forward; `chunk`: blocks a chunk."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + grid * grid, width),
        "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
    }
    if registers:
        shapes["register_tokens"] = (1, registers, width)
    feed_forward: dict[str, tuple[int, ...]] = {
        "mlp.fc1.weight": (4 * width, width),
        "mlp.fc1.bias": (4 * width,),
        "mlp.fc2.weight": (width, 4 * width),
        "mlp.fc2.bias": (width,),
    }
    gated: dict[str, tuple[int, ...]] = {
        "mlp.w12.weight": (2 * swiglu, width),
        "mlp.w12.bias": (2 * swiglu,),
        "mlp.w3.weight": (width, swiglu),
        "mlp.w3.bias": (width,),
    }
    block: dict[str, tuple[int, ...]] = {
        "norm1.weight": (width,),
        "norm1.bias": (width,),
        "attn.qkv.weight": (3 * width, width),
        "attn.qkv.bias": (3 * width,),
        "attn.proj.weight": (width, width),
        "attn.proj.bias": (width,),
        "ls1.gamma": (width,),
        "norm2.weight": (width,),
        "norm2.bias": (width,),
        **(gated if swiglu else feed_forward),
        "ls2.gamma": (width,),
    }
    for number in range(depth):
        place = f"blocks.{number // chunk}.{number}" if chunk else f"blocks.{number}"
        shapes |= {f"{place}.{name}": shape for name, shape in block.items()}
    return shapes | {"norm.weight": (width,), "norm.bias": (width,)}


@pytest.fixture
def official() -> Callable[..., dict[str, Tensor]]:
    """`official(width, depth, ...)`: tensors of `official_shapes`, the same values whatever the names; or on "meta"."""

    def make(width: int = 64, depth: int = 3, device: str = "cpu", **told: Any) -> dict[str, Tensor]:
        torch.manual_seed(0)
        shapes = official_shapes(width, depth, **told)
        return {name: 0.2 * torch.randn(shape, device=device) for name, shape in shapes.items()}

    return make
