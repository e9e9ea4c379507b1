"""Sinkhorn-Knopp: assignments of samples to prototypes that use all prototypes alike."""

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

from dinov2.training.projection import chunks, scores


def sum_over_ranks(x: Tensor) -> Tensor:
    """The sum of `x` over all processes, in place; `x` itself where there is one."""
    if _several():
        dist.all_reduce(x)
    return x


def _several() -> bool:
    return dist.is_initialized() and dist.get_world_size() > 1


@torch.no_grad()
def sinkhorn_potentials(
    logits: Callable[[slice], Tensor], rows: int, prototypes: int, device: torch.device, scale: float, n_iterations: int
) -> tuple[Tensor, Tensor]:
    """What to add to rows and columns so that exp(logits * scale + rows + columns) are the assignments.

    The algorithm (Caron et al. 2020, SwAV, section 3.1) scales the columns of exp(logits * scale) to equal sums, then
    the rows to sums of 1, and so on. Here the logarithms of the scales are kept, and the matrix is made again, a chunk
    of columns at a time, whenever it is needed. The first round works on logarithms throughout. From then on rows
    are distributions and columns have been alike once, so that no sum can vanish and none overflow at any temperature.

    Args:
        logits: (rows, columns) of this process for a slice of the prototypes, in any type.
        rows: samples of this process; may be none.
        prototypes: K.
        device: of the logits.
        scale: 1 / temperature.
        n_iterations: rounds of scaling columns and rows, at least 1.

    Returns:
        (rows, 1) and (K,), fp32; the second is the same on every process.
    """
    # All processes sum over their rows of the same columns, also where one has fewer rows.
    parts = list(chunks(_most(rows, device), prototypes, device))
    columns_k = torch.zeros(prototypes, device=device)
    total_n1 = torch.full((rows, 1), -torch.inf, device=device)
    for part in parts:
        scores_nk = scores(logits(part), scale, columns_k[part])
        columns_k[part] = -_logsumexp_over_samples(scores_nk)
        own = torch.logsumexp(scores_nk.add_(columns_k[part]), dim=1, keepdim=True)
        total_n1 = torch.logaddexp(total_n1, own)
    rows_n1 = -total_n1
    for _ in range(n_iterations - 1):
        total_n1 = torch.zeros_like(rows_n1)
        for part in parts:
            assigned_nk = scores(logits(part), scale, columns_k[part]).add_(rows_n1).exp_()
            got_k = sum_over_ranks(assigned_nk.sum(dim=0))
            columns_k[part] -= got_k.log()
            total_n1 += assigned_nk @ got_k.reciprocal()[:, None]
        rows_n1 = rows_n1 - total_n1.log()
    return rows_n1, columns_k


def _most(rows: int, device: torch.device) -> int:
    """The largest number of rows of a process."""
    if not _several():
        return rows
    most = torch.tensor(rows, device=device)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    return int(most.item())


def _logsumexp_over_samples(scores_nk: Tensor) -> Tensor:
    """log of the sum of exp over the rows of all processes, (k,)."""
    own_k = torch.logsumexp(scores_nk, dim=0)
    if not _several():
        return own_k
    top_k = own_k.clone()
    dist.all_reduce(top_k, op=dist.ReduceOp.MAX)
    return top_k + sum_over_ranks((own_k - top_k).exp()).log()


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
    scale = 1.0 / temperature
    rows_n1, columns_k = sinkhorn_potentials(
        lambda part: logits[:, part], count, prototypes, logits.device, scale, n_iterations
    )
    assignments = torch.empty(count, prototypes, device=logits.device)
    for part in chunks(count, prototypes, logits.device):
        assignments[:, part] = scores(logits[:, part], scale, columns_k[part]).add_(rows_n1).exp_()
    return assignments
