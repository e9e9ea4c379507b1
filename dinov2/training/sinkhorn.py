"""Sinkhorn-Knopp: assignments of samples to prototypes that use all prototypes alike."""

from collections.abc import Callable, Iterable

import torch
import torch.distributed as dist
from torch import Tensor

from dinov2.training.projection import chunks


def sum_over_ranks(x: Tensor) -> Tensor:
    """The sum of `x` over all processes, in place; `x` itself where there is one."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(x)
    return x


@torch.no_grad()
def sinkhorn_offset(
    logits: Callable[[], Iterable[Tensor]], like: Tensor, temperature: float, n_iterations: int = 3
) -> Tensor:
    """The price of each prototype at which all are used alike (Caron et al. 2020, SwAV, section 3.1).

    The algorithm scales the columns of exp(logits / temperature) to sum to the same, then the rows to sum to 1, and so
    on. Whatever the scales of the rows, the assignments are a softmax over prototypes of logits / temperature + offset,
    so that only the offset need be found: each round lowers it by the logarithm of what each prototype got in the round
    before. Nothing overflows at any temperature, and no more than a chunk of logits is in memory.

    Args:
        logits: called for each round, gives all logits of this process as chunks (rows, K) in fp32; they are
            overwritten. There may be no rows.
        like: (K,), for the type and place of the result.
        temperature: sharpening, for example 0.04 to 0.07.
        n_iterations: rounds of scaling, at least 1.

    Returns:
        (K,) fp32, the same on every process.
    """
    offset_k = -_logsumexp_over_samples((chunk.div_(temperature) for chunk in logits()), like)
    for _ in range(n_iterations - 1):
        got_k = torch.zeros_like(offset_k)
        for chunk in logits():
            got_k += torch.softmax(chunk.div_(temperature).add_(offset_k), dim=1).sum(dim=0)
        offset_k = offset_k - sum_over_ranks(got_k).log()
    return offset_k


def _logsumexp_over_samples(scores: Iterable[Tensor], like: Tensor) -> Tensor:
    """log of the sum of exp over the rows of all chunks and processes, (K,)."""
    total_k = torch.full_like(like, -torch.inf, dtype=torch.float32)
    for chunk in scores:
        total_k = torch.logaddexp(total_k, torch.logsumexp(chunk, dim=0))
    if not (dist.is_initialized() and dist.get_world_size() > 1):
        return total_k
    top_k = total_k.clone()
    dist.all_reduce(top_k, op=dist.ReduceOp.MAX)
    return top_k + sum_over_ranks((total_k - top_k).exp()).log()


@torch.no_grad()
def sinkhorn_knopp(logits: Tensor, temperature: float, n_iterations: int = 3) -> Tensor:
    """Assign samples to prototypes so that all prototypes are used alike (Caron et al. 2020, SwAV, section 3.1).

    Args:
        logits: teacher logits (n, K); n may differ between processes.
        temperature: sharpening, for example 0.04 to 0.07.
        n_iterations: rounds of scaling, at least 1.

    Returns:
        (n, K) fp32, rows summing to 1. Beside it and the logits only a chunk is in memory at any time.
    """
    count, prototypes = logits.shape
    parts = list(chunks(count, prototypes))
    # A copy, since fp32 logits would be overwritten.
    source = lambda: (logits[rows].to(torch.float32, copy=True) for rows in parts)  # noqa: E731
    offset_k = sinkhorn_offset(source, logits.new_empty(prototypes), temperature, n_iterations)
    assignments = logits.to(torch.float32, copy=True)
    for rows in parts:
        assignments[rows] = torch.softmax(assignments[rows].div_(temperature).add_(offset_k), dim=1)
    return assignments
