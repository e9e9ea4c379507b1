"""Attention once for each group of sequences of one length."""

from collections.abc import Callable

import torch
from torch import Tensor

from dinov2.models.packing import Layout


def attend_by_group(qkv_t3hd: Tensor, layout: Layout, attention: Callable[[Tensor], Tensor]) -> Tensor:
    """(T, 3, heads, width) to (T, heads x width); `attention` maps (B, N, 3, heads, width) to (B, N, heads, width).

    On a packed batch this is several times faster than a mask over all tokens, and exact.
    """
    outputs = [attention(part_bn3hd).flatten(2).flatten(0, 1) for part_bn3hd in layout.split(qkv_t3hd)]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)
