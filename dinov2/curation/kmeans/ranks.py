"""The processes that torchrun started, or this one alone: the same code runs in either."""

import numpy as np
import torch
import torch.distributed as dist


def rank() -> int:
    """The number of this process."""
    return dist.get_rank() if dist.is_initialized() else 0


def share_of(count: int) -> tuple[int, int]:
    """First and last (exclusive) of the rows that this process takes out of `count`."""
    world = dist.get_world_size() if dist.is_initialized() else 1
    return count * rank() // world, count * (rank() + 1) // world


def total(x: np.ndarray) -> np.ndarray:
    """The sum of `x` over all processes, a new array; `x` itself where there is one."""
    if not dist.is_initialized():
        return x
    summed = _tensor(x).clone()
    dist.all_reduce(summed)
    return summed.cpu().numpy()


def gathered(x: np.ndarray) -> np.ndarray:
    """The arrays (B, ...) of all processes, of one shape, one below the other (W·B, ...)."""
    if not dist.is_initialized():
        return x
    found = [torch.empty_like(_tensor(x)) for _ in range(dist.get_world_size())]
    dist.all_gather(found, _tensor(x))
    return torch.cat(found).cpu().numpy()


def from_first(x: np.ndarray) -> np.ndarray:
    """`x` as the first process has it; the others give an array of the same shape and type."""
    if not dist.is_initialized():
        return x
    sent = _tensor(x).clone()
    dist.broadcast(sent, 0)
    return sent.cpu().numpy()


def _tensor(x: np.ndarray) -> torch.Tensor:
    # Only NCCL cannot send what lies in main memory.
    tensor = torch.from_numpy(np.ascontiguousarray(x))
    return tensor.cuda() if dist.get_backend() == dist.Backend.NCCL else tensor
