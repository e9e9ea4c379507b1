"""One transformer block: attention and feed-forward branches with LayerScale."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu
from torch.utils.checkpoint import checkpoint

from dinov2.models.attention import Attention
from dinov2.models.depth import Branch
from dinov2.models.packing import Layout

NORM_EPS = 1e-6


class Mlp(nn.Module):
    """Two linear layers with a GELU between; hidden width 4 D."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x_td: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        return self.fc2(gelu(self.fc1(x_td)))


class SwiGLU(nn.Module):
    """Gated feed-forward (Shazeer 2020, "GLU variants"); hidden width two thirds of 4 D, up to a multiple of 8."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = (int(4 * dim * 2 / 3) + 7) // 8 * 8
        self.w12 = nn.Linear(dim, 2 * hidden)
        self.w3 = nn.Linear(hidden, dim)

    def forward(self, x_td: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        gate, value = self.w12(x_td).chunk(2, dim=-1)
        return self.w3(silu(gate) * value)


FEED_FORWARD: dict[str, Callable[[int], nn.Module]] = {"mlp": Mlp, "swiglu": SwiGLU}


class LayerScale(nn.Module):
    """A learnt gain for each channel of a residual branch (Touvron et al. 2021, CaiT, equation 6)."""

    def __init__(self, dim: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), initial))

    def forward(self, x_td: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        return x_td * self.gamma


class Block(nn.Module):
    """Pre-norm block; stochastic depth says which sequences each of its two branches is computed for.

    Attributes:
        recompute: in the backward pass compute the block again rather than keep what is inside it.
    """

    recompute = False

    def __init__(self, dim: int, num_heads: int, ffn: str, layerscale: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, num_heads)
        self.ls1 = LayerScale(dim, layerscale)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = FEED_FORWARD[ffn](dim)
        self.ls2 = LayerScale(dim, layerscale)

    def forward(self, x_td: Tensor, layout: Layout, attention: Branch, feed_forward: Branch) -> Tensor:
        """(T, D) to (T, D)."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self._branches, x_td, layout, attention, feed_forward, use_reentrant=False)
        return self._branches(x_td, layout, attention, feed_forward)

    def _branches(self, x_td: Tensor, layout: Layout, attention: Branch, feed_forward: Branch) -> Tensor:
        x_td = attention.add(x_td, layout, lambda part_td, part: self.ls1(self.attn(self.norm1(part_td), part)))
        return feed_forward.add(x_td, layout, lambda part_td, _: self.ls2(self.mlp(self.norm2(part_td))))
