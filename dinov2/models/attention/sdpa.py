"""PyTorch's fused kernel, once for each group of equal crops; works everywhere."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from dinov2.models.attention.groups import attend_by_group
from dinov2.models.packing import Layout


def fused_attention(qkv_bn3hd: Tensor) -> Tensor:
    """Softmax attention of B sequences of N tokens, (B, N, 3, heads, width) to (B, N, heads, width)."""
    # Unbound where the three lie, not after a permutation: their gradients are then gathered in one copy, not two.
    q_bhnd, k_bhnd, v_bhnd = (x_bnhd.transpose(1, 2) for x_bnhd in qkv_bn3hd.unbind(2))
    return scaled_dot_product_attention(q_bhnd, k_bhnd, v_bhnd).transpose(1, 2)


def attend(qkv_t3hd: Tensor, layout: Layout) -> Tensor:
    """See `Backend.attend`."""
    return attend_by_group(qkv_t3hd, layout, fused_attention)


def why_not(device: torch.device, dtype: torch.dtype, width: int) -> str | None:  # noqa: ARG001
    """See `Backend.why_not`."""
    return None
