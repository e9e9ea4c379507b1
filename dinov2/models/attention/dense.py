"""Softmax attention as three plain operations: the fastest on a CPU in bf16, where sequences are short.

The backward pass keeps a weight for every pair of tokens, in every block.
"""

import torch
from torch import Tensor

from dinov2.models.attention.groups import attend_by_group
from dinov2.models.packing import Layout


def dense_attention(q_bhnd: Tensor, k_bhnd: Tensor, v_bhnd: Tensor) -> Tensor:
    """Softmax attention as three plain operations, for short sequences."""
    scores_bhnn = (q_bhnd * q_bhnd.shape[-1] ** -0.5) @ k_bhnd.transpose(-1, -2)
    return scores_bhnn.softmax(dim=-1) @ v_bhnd


def plain_attention(qkv_bn3hd: Tensor) -> Tensor:
    """Softmax attention of B sequences of N tokens, (B, N, 3, heads, width) to (B, N, heads, width)."""
    # One copy puts the heads first for all products of both passes, which would else each make their own.
    q_bhnd, k_bhnd, v_bhnd = qkv_bn3hd.permute(2, 0, 3, 1, 4).contiguous()
    return dense_attention(q_bhnd, k_bhnd, v_bhnd).transpose(1, 2)


def attend(qkv_t3hd: Tensor, layout: Layout) -> Tensor:
    """See `Backend.attend`."""
    return attend_by_group(qkv_t3hd, layout, plain_attention)


def why_not(device: torch.device, dtype: torch.dtype, width: int) -> str | None:  # noqa: ARG001
    """See `Backend.why_not`."""
    return None
