"""The default: a fixed rule for each group of equal crops, so that equal inputs give equal bits."""

import torch
from torch import Tensor

from dinov2.models.attention.dense import plain_attention
from dinov2.models.attention.groups import attend_by_group
from dinov2.models.attention.sdpa import fused_attention
from dinov2.models.packing import Layout

DENSE_TOKENS = 512


def _attend_one_size(qkv_bn3hd: Tensor) -> Tensor:
    # On a CPU the fused bf16 kernel is several times slower on short sequences; see benchmarks/attention.py.
    short = qkv_bn3hd.shape[1] <= DENSE_TOKENS
    if short and qkv_bn3hd.device.type == "cpu" and qkv_bn3hd.dtype == torch.bfloat16:
        return plain_attention(qkv_bn3hd)
    return fused_attention(qkv_bn3hd)


def attend(qkv_t3hd: Tensor, layout: Layout) -> Tensor:
    """See `Backend.attend`."""
    return attend_by_group(qkv_t3hd, layout, _attend_one_size)
