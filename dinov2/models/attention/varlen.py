"""PyTorch's flash attention over sequences of several lengths, in one call; CUDA and half precision only."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from dinov2.models.packing import Layout

HALF = (torch.bfloat16, torch.float16)
WIDEST = 256


@lru_cache(maxsize=64)
def boundaries(layout: Layout, device: torch.device) -> Tensor:
    """Where each sequence begins, and where the last one ends: (sequences + 1,) int32. Kept, as every block asks."""
    lengths = [length for count, length in layout.groups for _ in range(count)]
    with torch.inference_mode(False):  # a tensor made in inference could not be saved for a later backward pass
        return pad(torch.tensor(lengths).cumsum(0), (1, 0)).to(device, torch.int32)


def attend(qkv_t3hd: Tensor, layout: Layout) -> Tensor:
    """See `Backend.attend`."""
    from torch.nn.attention.varlen import varlen_attn

    starts = boundaries(layout, qkv_t3hd.device)
    longest = max(length for _, length in layout.groups)
    q_thd, k_thd, v_thd = qkv_t3hd.unbind(1)
    out_thd = varlen_attn(q_thd, k_thd, v_thd, starts, starts, longest, longest)
    assert isinstance(out_thd, Tensor)
    return out_thd.flatten(1)


def why_not(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """See `Backend.why_not`."""
    if device.type != "cuda":
        return f"needs a CUDA device, not {device.type}"
    if not torch.backends.cuda.is_flash_attention_available() or torch.cuda.get_device_capability(device) < (8, 0):
        return f"needs flash attention, which torch {torch.__version__} does not have for this device"
    if dtype not in HALF:
        return f"needs bfloat16 or float16, not {str(dtype).removeprefix('torch.')}"
    if width % 8 or width > WIDEST:
        return f"needs heads of a multiple of 8 channels up to {WIDEST}, not {width}"
    return None
