"""Stochastic depth (Huang et al. 2016): which sequences each residual branch is computed for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor

from dinov2.models.packing import Layout

Update = Callable[[Tensor, Layout], Tensor]
"""A residual branch: packed tokens (T, D) and their layout to what is added to them (T, D)."""


class Branch(Protocol):
    """How one residual branch is added."""

    def add(self, x_td: Tensor, layout: Layout, update: Update) -> Tensor:
        """(T, D) with the branch's update added."""


class Everything:
    """Every sequence is updated, as in evaluation."""

    def add(self, x_td: Tensor, layout: Layout, update: Update) -> Tensor:
        """(T, D) with the branch's update added."""
        return x_td + update(x_td, layout)


@dataclass(frozen=True)
class Kept:
    """A subset of the sequences is computed and updated, the others cost nothing (Oquab et al. 2023, section 5).

    Attributes:
        rows: of the kept tokens (T',).
        layout: of the kept tokens.
        scale: sequences / kept, which makes the sum over the kept an unbiased estimate of the sum over all.
    """

    rows: Tensor
    layout: Layout
    scale: float

    def add(self, x_td: Tensor, _: Layout, update: Update) -> Tensor:
        """(T, D) with the branch's update added."""
        update_td = update(x_td.index_select(0, self.rows), self.layout)
        return x_td.index_add(0, self.rows, update_td, alpha=self.scale)


@dataclass(frozen=True)
class Zeroed:
    """All sequences are computed, and the updates of some multiplied by zero: the way before DINOv2.

    Attributes:
        factors: (T, 1), 0 or sequences / kept.
    """

    factors: Tensor

    def add(self, x_td: Tensor, layout: Layout, update: Update) -> Tensor:
        """(T, D) with the branch's update added."""
        return x_td + update(x_td, layout) * self.factors.to(x_td.dtype)


Draw = Callable[[Layout], Sequence[Branch]]
"""From the layout of a network's packed tokens, how the two branches of each of its blocks are added."""


def keep_some(layout: Layout, keys: Sequence[Tensor], run: int, drop_path: float) -> list[Branch]:
    """Branches that are computed for the sequences with the smallest keys of each run.

    Args:
        layout: how the tokens are packed.
        keys: random numbers, for each group of the layout (branches, sequences).
        run: so many sequences that follow each other are drawn from together; divides those of every group.
        drop_path: share of them that is dropped; at least one of each run is kept.

    Returns:
        One for each branch.
    """
    kept = kept_of(run, drop_path)
    starts = [end - size for end, size in zip(accumulate(layout.sizes), layout.sizes, strict=True)]
    rows = []
    for (_, length), start, keys_bs in zip(layout.groups, starts, keys, strict=True):
        sequences_bs = _smallest(keys_bs, run, kept)
        tokens = torch.arange(length, device=keys_bs.device)
        rows.append((start + sequences_bs[..., None] * length + tokens).flatten(1))
    small = Layout(tuple((count // run * kept, length) for count, length in layout.groups))
    return [Kept(row, small, run / kept) for row in torch.cat(rows, dim=1).unbind()]


def zero_some(layout: Layout, keys: Sequence[Tensor], run: int, drop_path: float) -> list[Branch]:
    """As `keep_some`, but the sequences that are dropped are computed all the same."""
    kept = kept_of(run, drop_path)
    factors = []
    for (_, length), keys_bs in zip(layout.groups, keys, strict=True):
        factors_bs = torch.zeros_like(keys_bs).scatter(1, _smallest(keys_bs, run, kept), run / kept)
        factors.append(factors_bs.repeat_interleave(length, dim=1))
    return [Zeroed(factors_t[:, None]) for factors_t in torch.cat(factors, dim=1).unbind()]


def kept_of(run: int, drop_path: float) -> int:
    """Sequences of a run that a branch is computed for."""
    return max(1, int(run * (1.0 - drop_path)))


def _smallest(keys_bs: Tensor, run: int, kept: int) -> Tensor:
    """Numbers of the `kept` sequences with the smallest keys of each run (branches, kept sequences), in order."""
    order = keys_bs.unflatten(1, (-1, run)).argsort(dim=-1)[..., :kept].sort(dim=-1).values
    first = torch.arange(0, keys_bs.shape[1], run, device=keys_bs.device)
    return (order + first[:, None]).flatten(1)
