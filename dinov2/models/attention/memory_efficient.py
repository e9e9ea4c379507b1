"""The memory-efficient attention of xFormers under a block-diagonal mask, in one call; CUDA only."""

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dinov2.models.packing import Layout

if TYPE_CHECKING:
    from xformers.ops.fmha import BlockDiagonalMask


@lru_cache(maxsize=64)
def block_diagonal(layout: Layout, device: torch.device) -> "BlockDiagonalMask":
    """The mask that keeps each token to its own sequence. Kept, as every block asks."""
    from xformers.ops.fmha import BlockDiagonalMask

    lengths = [length for count, length in layout.groups for _ in range(count)]
    with torch.inference_mode(False):  # a tensor made in inference could not be saved for a later backward pass
        return BlockDiagonalMask.from_seqlens(lengths, device=device)


def attend(qkv_t3hd: Tensor, layout: Layout) -> Tensor:
    """See `Backend.attend`."""
    if torch.compiler.is_compiling():  # a decorator would have every command load the compiler, a second each
        reason = "xFormers picks its kernel in ways that cannot be traced"
        return torch.compiler.disable(_attend, reason=reason)(qkv_t3hd, layout)
    return _attend(qkv_t3hd, layout)


def _attend(qkv_t3hd: Tensor, layout: Layout) -> Tensor:
    from xformers.ops import memory_efficient_attention

    q_1thd, k_1thd, v_1thd = qkv_t3hd[None].unbind(2)
    out_1thd = memory_efficient_attention(q_1thd, k_1thd, v_1thd, block_diagonal(layout, qkv_t3hd.device))
    return out_1thd[0].flatten(1)


def why_not(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """See `Backend.why_not`."""
    if device.type != "cuda":
        return f"needs a CUDA device, not {device.type}"
    if find_spec("xformers") is None:
        return "needs xformers, which is not installed (pip install '.[gpu]')"
    capability = torch.cuda.get_device_capability(device)
    precise = {torch.float16: True, torch.bfloat16: capability >= (8, 0), torch.float32: capability <= (9, 0)}
    if not precise.get(dtype, False):
        return f"has no kernel for {str(dtype).removeprefix('torch.')} on compute capability {capability}"
    if width % 8:
        return f"needs heads of a multiple of 8 channels, not {width}"
    return None
