"""Signs of collapse: what the teacher's assignments and the student's features look like."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dinov2.training.sinkhorn import sum_over_ranks


@torch.no_grad()
def collapse_signs(targets: Sequence[Tensor], cls: Sequence[Tensor]) -> dict[str, Tensor]:
    """How far a step is from collapse, over all its parts and processes; all processes must call.

    Args:
        targets: of each part the teacher's assignments (n, K).
        cls: of each part the student's class tokens (n, D).

    Returns:
        `target_entropy`: mean entropy of one assignment, in nats. 0 is one prototype each, log K no choice at all.
        `prototypes_used`: exponential of the entropy of the mean assignment: how many prototypes share the work.
        `feature_rank`: exponential of the entropy of the singular values of `cls` (Garrido et al. 2023, RankMe,
            equation 1): how many directions the features fill; 1 is collapse.
    """
    count = sum_over_ranks(targets[0].new_tensor(float(sum(map(len, targets)))))
    sums_k = sum_over_ranks(torch.stack([part.sum(dim=0) for part in targets]).sum(dim=0))
    entropies = sum_over_ranks(torch.stack([torch.special.entr(part).sum() for part in targets]).sum())
    # Squares of the singular values, of a matrix that can be summed up; fp64, since squares lose half of the digits.
    gram_dd = sum_over_ranks(torch.stack([part.double().mT @ part.double() for part in cls]).sum(dim=0))
    singular = torch.linalg.eigvalsh(gram_dd).clamp(min=0).sqrt()
    return {
        "target_entropy": entropies / count,
        "prototypes_used": torch.special.entr(sums_k / count).sum().exp(),
        "feature_rank": torch.special.entr(singular / singular.sum()).sum().exp().float(),
    }
