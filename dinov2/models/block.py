"""One transformer block: attention and feed-forward branches with LayerScale and stochastic depth."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from dinov2.models.attention import Attention
from dinov2.models.packing import Layout, sample_rows

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
    """Pre-norm block. In training each branch is computed for a random subset of the sequences only.

    Stochastic depth as the paper's appendix on implementation has it: the subset is drawn anew for the attention and
    for the feed-forward branch, skipped sequences cost nothing, and the residual is scaled by batch / subset.
    """

    def __init__(self, dim: int, num_heads: int, ffn: str, layerscale: float, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, num_heads)
        self.ls1 = LayerScale(dim, layerscale)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = FEED_FORWARD[ffn](dim)
        self.ls2 = LayerScale(dim, layerscale)

    def forward(self, x_td: Tensor, layout: Layout) -> Tensor:
        """(T, D) to (T, D)."""
        x_td = self._residual(x_td, layout, lambda part_td, part: self.ls1(self.attn(self.norm1(part_td), part)))
        return self._residual(x_td, layout, lambda part_td, _: self.ls2(self.mlp(self.norm2(part_td))))

    def _residual(self, x_td: Tensor, layout: Layout, branch: Callable[[Tensor, Layout], Tensor]) -> Tensor:
        if not self.training or self.drop_path == 0.0:
            return x_td + branch(x_td, layout)
        rows, kept, factors = sample_rows(layout, 1.0 - self.drop_path, x_td.device)
        update_td = branch(x_td[rows], kept) * factors[:, None].to(x_td.dtype)
        return x_td.index_add(0, rows, update_td)
