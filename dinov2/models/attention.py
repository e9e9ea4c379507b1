"""Multi-head self-attention over packed sequences, never across images."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from dinov2.models.packing import Layout

DENSE_TOKENS = 512


def dense_attention(q_bhnd: Tensor, k_bhnd: Tensor, v_bhnd: Tensor) -> Tensor:
    """Softmax attention as three plain operations, for short sequences."""
    scores_bhnn = (q_bhnd * q_bhnd.shape[-1] ** -0.5) @ k_bhnd.transpose(-1, -2)
    return scores_bhnn.softmax(dim=-1) @ v_bhnd


def _attend_one_size(q_bhnd: Tensor, k_bhnd: Tensor, v_bhnd: Tensor) -> Tensor:
    # On a CPU the fused bf16 kernel is several times slower on short sequences; see benchmarks/attention.py.
    short = q_bhnd.shape[2] <= DENSE_TOKENS
    if short and q_bhnd.device.type == "cpu" and q_bhnd.dtype == torch.bfloat16:
        return dense_attention(q_bhnd, k_bhnd, v_bhnd)
    return scaled_dot_product_attention(q_bhnd, k_bhnd, v_bhnd)


def attend(qkv_t3hd: Tensor, layout: Layout) -> Tensor:
    """Softmax attention within each sequence.

    Args:
        qkv_t3hd: queries, keys and values of T packed tokens, (T, 3, heads, head width).
        layout: where the sequences begin and end.

    Returns:
        (T, heads x head width). One fused kernel call a group: on a packed batch this is several times faster than
        a mask over all tokens, and exact.
    """
    outputs = []
    for part_bn3hd in layout.split(qkv_t3hd):
        q_bhnd, k_bhnd, v_bhnd = part_bn3hd.permute(2, 0, 3, 1, 4)
        out_bhnd = _attend_one_size(q_bhnd, k_bhnd, v_bhnd)
        outputs.append(out_bhnd.transpose(1, 2).flatten(2).flatten(0, 1))
    return torch.cat(outputs)


class Attention(nn.Module):
    """Self-attention with biases on all projections."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x_td: Tensor, layout: Layout) -> Tensor:
        """(T, D) to (T, D)."""
        qkv_t3hd = self.qkv(x_td).unflatten(-1, (3, self.num_heads, -1))
        return self.proj(attend(qkv_t3hd, layout))
