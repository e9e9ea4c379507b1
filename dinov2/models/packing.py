"""Sequences of several lengths as one row of tokens.

Crops of different sizes give sequences of different lengths. Laid end to end they pass through every linear layer at
once; only attention needs to know where one image ends and the next begins.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """How `T` packed tokens divide: `groups[i]` is (sequences, tokens of each) of the i-th batch of equal crops."""

    groups: tuple[tuple[int, int], ...]

    @property
    def sizes(self) -> list[int]:
        """Tokens in each group."""
        return [count * length for count, length in self.groups]

    def split(self, x_td: Tensor) -> list[Tensor]:
        """Views of each group of `x_td` (T, ...) as (sequences, tokens, ...)."""
        parts = x_td.split(self.sizes)
        return [part.unflatten(0, group) for part, group in zip(parts, self.groups, strict=True)]


def pack(sequences: list[Tensor]) -> tuple[Tensor, Layout]:
    """Lay batches (B_i, N_i, D) end to end: their tokens (T, D) and the layout that takes them apart again."""
    layout = Layout(tuple((x_bnd.shape[0], x_bnd.shape[1]) for x_bnd in sequences))
    return torch.cat([x_bnd.flatten(0, 1) for x_bnd in sequences]), layout


def sample_rows(layout: Layout, keep: float, device: torch.device) -> tuple[Tensor, Layout, Tensor]:
    """Draw a subset of the sequences of each group, without replacement.

    Args:
        layout: how the tokens are packed.
        keep: share of the sequences of each group to keep, in (0, 1]; at least one is kept.
        device: where the indices are wanted.

    Returns:
        Rows of the kept tokens (T',), their layout, and for each of them the factor sequences / kept (T',) that makes
        a sum over the kept an unbiased estimate of the sum over all.
    """
    starts = [0, *torch.tensor(layout.sizes).cumsum(0).tolist()]
    rows, groups, factors = [], [], []
    for (count, length), (start, _) in zip(layout.groups, pairwise(starts), strict=True):
        kept = max(1, int(count * keep))
        chosen = torch.randperm(count, device=device)[:kept]
        rows.append((start + chosen[:, None] * length + torch.arange(length, device=device)).flatten())
        groups.append((kept, length))
        factors.append(torch.full((kept * length,), count / kept, device=device))
    return torch.cat(rows), Layout(tuple(groups)), torch.cat(factors)
