"""From teacher logits to targets: Sinkhorn-Knopp, or softmax of centred logits."""

import torch
import torch.distributed as dist
from torch import Tensor


def _sum_over_ranks(x: Tensor) -> Tensor:
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(x)
    return x


def _logsumexp_over_samples(x_nk: Tensor) -> Tensor:
    """log of the sum of exp over dimension 0 and over all ranks, (K,), without overflow; ranks may have no rows."""
    if not (dist.is_initialized() and dist.get_world_size() > 1):
        return torch.logsumexp(x_nk, dim=0)
    top_k = x_nk.amax(dim=0) if len(x_nk) else x_nk.new_full(x_nk.shape[1:], -torch.inf)
    dist.all_reduce(top_k, op=dist.ReduceOp.MAX)
    return top_k + _sum_over_ranks((x_nk - top_k).exp().sum(dim=0)).log()


@torch.no_grad()
def sinkhorn_knopp(logits: Tensor, temperature: float, n_iterations: int = 3) -> Tensor:
    """Assign samples to prototypes so that all prototypes are used alike (Caron et al. 2020, SwAV, section 3.1).

    Alternately scales columns so that each prototype takes an equal share of the samples of all ranks, and rows so that
    each sample's assignment sums to 1. It works on logarithms, and so neither overflows nor loses a prototype that
    only far samples could fill, at any temperature.

    Args:
        logits: teacher logits (n, K); n may differ between ranks.
        temperature: sharpening, for example 0.04 to 0.07.
        n_iterations: rounds of scaling, at least 1.

    Returns:
        (n, K) fp32, rows summing to 1.
    """
    scores_nk = logits.float() / temperature
    rows_n1 = scores_nk.new_zeros(len(scores_nk), 1)
    for iteration in range(n_iterations):
        columns_k = -_logsumexp_over_samples(scores_nk + rows_n1)
        if iteration < n_iterations - 1:
            rows_n1 = -torch.logsumexp(scores_nk + columns_k, dim=1, keepdim=True)
    return torch.softmax(scores_nk + columns_k, dim=1)


class Centring:
    """Softmax of logits less their running mean (Caron et al. 2021, DINO, section 3.1).

    Args:
        prototypes: K.
        momentum: share of the old mean that is kept each step.
    """

    def __init__(self, prototypes: int, momentum: float = 0.9) -> None:
        self.centre = torch.zeros(prototypes)
        self.momentum = momentum

    @torch.no_grad()
    def __call__(self, logits: Tensor, temperature: float) -> Tensor:
        """Targets (n, K) in fp32 for teacher logits (n, K) with the mean of the steps before; then updates the mean."""
        self.centre = self.centre.to(logits.device)
        targets_nk = torch.softmax((logits.float() - self.centre) / temperature, dim=1)
        count = _sum_over_ranks(torch.tensor(float(len(logits)), device=logits.device))
        mean_k = _sum_over_ranks(logits.float().sum(dim=0)) / count.clamp(min=1.0)
        if count > 0:
            self.centre = self.centre.lerp(mean_k, 1 - self.momentum)
        return targets_nk
