"""Dense prediction from a vision transformer (DPT, Ranftl et al. 2021)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from dinov2.evaluation.protocols.dense.between import enlarge

LEVELS = 4
LAST = 32


class DptHead(nn.Module):
    """Four layers brought to four scales, merged from the coarsest to the finest, and a depth for each pixel of that.

    As in the paper: the cls token is projected into the patches, the levels are 4, 2, 1 and 1/2 times the grid, and
    fusion is by residual convolutions. The depth is a sigmoid between near and far.

    Args:
        width: D; level i has D / 8, D / 4, D / 2 and D channels.
        near: metres.
        far: metres.
        fusion: channels in which the levels meet.
    """

    def __init__(self, width: int, near: float, far: float, fusion: int) -> None:
        super().__init__()
        self._near, self._far = near, far
        self.reassemble = nn.ModuleList(Reassemble(width, level, fusion) for level in range(LEVELS))
        self.fuse = nn.ModuleList(Fuse(fusion, first=level == LEVELS - 1) for level in range(LEVELS))
        self.rise = nn.Conv2d(fusion, fusion // 2, 3, padding=1)
        self.narrow = nn.Conv2d(fusion // 2, LAST, 3, padding=1)
        self.answer = nn.Conv2d(LAST, 1, 1)

    def forward(self, patches_bhwld: Tensor, cls_bld: Tensor) -> Tensor:
        """(B, 16h, 16w) metres."""
        levels = [
            reassemble(patches_bhwd, cls_bd)
            for reassemble, patches_bhwd, cls_bd in zip(
                self.reassemble, patches_bhwld.unbind(3), cls_bld.unbind(1), strict=True
            )
        ]
        merged: Tensor | None = None
        for level in reversed(range(LEVELS)):
            rows, columns = levels[level - 1].shape[2:] if level else levels[0].shape[2:]
            scale = 1 if level else 2
            merged = self.fuse[level](levels[level], merged, (scale * rows, scale * columns))
        risen = self.rise(merged)
        large = enlarge(risen, (2 * risen.shape[2], 2 * risen.shape[3]))
        share_bhw = self.answer(relu(self.narrow(large))).sigmoid()[:, 0]
        return self._near + (self._far - self._near) * share_bhw


class Reassemble(nn.Module):
    """Tokens of one layer as a picture of one scale (section 3.2 there, readout "project")."""

    def __init__(self, width: int, level: int, fusion: int) -> None:
        super().__init__()
        channels = max(1, width // 2 ** (LEVELS - 1 - level))
        self.readout = nn.Sequential(nn.Linear(2 * width, width), nn.GELU())
        self.project = nn.Conv2d(width, channels, 1)
        scales: tuple[nn.Module, ...] = (
            nn.ConvTranspose2d(channels, channels, 4, stride=4),
            nn.ConvTranspose2d(channels, channels, 2, stride=2),
            nn.Identity(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1),
        )
        self.scale = scales[level]
        self.meet = nn.Conv2d(channels, fusion, 3, padding=1, bias=False)

    def forward(self, patches_bhwd: Tensor, cls_bd: Tensor) -> Tensor:
        """(B, fusion, h', w')."""
        beside_bhwd = cls_bd[:, None, None].expand_as(patches_bhwd)
        read_bhwd = self.readout(torch.cat([patches_bhwd, beside_bhwd], dim=3))
        return self.meet(self.scale(self.project(read_bhwd.permute(0, 3, 1, 2))))


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        return x + self.second(relu(self.first(relu(x))))


class Fuse(nn.Module):
    """Adds a level to what came from below, and enlarges (RefineNet's block, Lin et al. 2017)."""

    def __init__(self, channels: int, first: bool) -> None:
        super().__init__()
        self.own = None if first else Residual(channels)
        self.both = Residual(channels)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, level: Tensor, below: Tensor | None, size: tuple[int, int]) -> Tensor:
        """(B, fusion, *size)."""
        x = level if self.own is None or below is None else below + self.own(level)
        return self.out(enlarge(self.both(x), size))
