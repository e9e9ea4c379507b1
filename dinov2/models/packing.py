"""Sequences of several lengths as one row of tokens.

Crops of different sizes give sequences of different lengths. Laid end to end they pass through every linear layer at
once; only attention needs to know where one image ends and the next begins.
"""

from dataclasses import dataclass

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
