"""The linear head: a choice among depths."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from dinov2.evaluation.protocols.dense.between import enlarge

UPSAMPLE = 4
LEAST = 0.1
"""Added to each bin before they are normalised (AdaBins, Bhat et al. 2021): no bin is ever wholly out."""


class BinsHead(nn.Module):
    """Patches with the cls token beside each, enlarged 4 times, to 256 depths, whose mean is the answer.

    The linear head of DINOv2 (section 7.4): uniform bins from near to far, their scores normalised linearly. It
    enlarges the scores rather than the tokens, which is the same: both are linear, and the weights of a bilinear mean
    sum to 1.

    Args:
        layers: L.
        width: D.
        near: metres.
        far: metres.
        bins: how many depths.
    """

    depths: Tensor

    def __init__(self, layers: int, width: int, near: float, far: float, bins: int) -> None:
        super().__init__()
        self.of_patches = nn.Linear(layers * width, bins)
        self.of_cls = nn.Linear(layers * width, bins, bias=False)
        self.register_buffer("depths", torch.linspace(near, far, bins))

    def forward(self, patches_bhwld: Tensor, cls_bld: Tensor) -> Tensor:
        """(B, 4h, 4w) metres."""
        scores_bhwk = self.of_patches(patches_bhwld.flatten(3)) + self.of_cls(cls_bld.flatten(1))[:, None, None]
        size = (UPSAMPLE * scores_bhwk.shape[1], UPSAMPLE * scores_bhwk.shape[2])
        shares_bkhw = relu(enlarge(scores_bhwk.permute(0, 3, 1, 2), size))
        # One pass over the shares for both sums; what is added to each share is added to the sums.
        kinds_k2 = torch.stack([self.depths, torch.ones_like(self.depths)], dim=1)
        sums_b2hw = torch.einsum("bkhw,kc->bchw", shares_bkhw, kinds_k2) + LEAST * kinds_k2.sum(0)[:, None, None]
        return sums_b2hw[:, 0] / sums_b2hw[:, 1]
