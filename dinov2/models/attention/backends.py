"""The ways to compute attention, which all give the same results up to rounding."""

from typing import Protocol

import torch
from torch import Tensor

from dinov2.models.attention import auto, dense, memory_efficient, sdpa, varlen
from dinov2.models.packing import Layout


class Backend(Protocol):
    """What each file of a backend defines."""

    def attend(self, qkv_t3hd: Tensor, layout: Layout) -> Tensor:
        """(T, 3, heads, width) to (T, heads x width)."""

    def why_not(self, device: torch.device, dtype: torch.dtype, width: int) -> str | None:
        """The reason why it cannot compute heads of `width` channels there; None if it can."""


BACKENDS: dict[str, Backend] = {
    "sdpa": sdpa,
    "dense": dense,
    "xformers": memory_efficient,
    "varlen": varlen,
}


def attend(qkv_t3hd: Tensor, layout: Layout, backend: str = "auto") -> Tensor:
    """Softmax attention within each sequence.

    Args:
        qkv_t3hd: queries, keys and values of T packed tokens, (T, 3, heads, head width).
        layout: where the sequences begin and end.
        backend: a name in `BACKENDS`, or "auto" for the rule of `auto.py`.

    Returns:
        (T, heads x head width).
    """
    return (auto if backend == "auto" else BACKENDS[backend]).attend(qkv_t3hd, layout)
