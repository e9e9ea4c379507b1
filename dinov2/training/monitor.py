"""Signs of collapse: what the teacher's assignments and the student's features look like."""

import torch
from torch import Tensor


@torch.no_grad()
def collapse_signs(targets: Tensor, cls: Tensor) -> dict[str, Tensor]:
    """How far a step is from collapse.

    Args:
        targets: the teacher's assignments (n, K).
        cls: the student's class tokens (n, D).

    Returns:
        `target_entropy`: mean entropy of one assignment, in nats. 0 is one prototype each, log K no choice at all.
        `prototypes_used`: exponential of the entropy of the mean assignment: how many prototypes share the work.
        `feature_rank`: exponential of the entropy of the singular values of `cls` (Garrido et al. 2023, RankMe,
            equation 1): how many directions the features fill; 1 is collapse.
    """
    mean_k = targets.mean(dim=0)
    singular = torch.linalg.svdvals(cls.float())
    return {
        "target_entropy": torch.special.entr(targets).sum(dim=1).mean(),
        "prototypes_used": torch.special.entr(mean_k).sum().exp(),
        "feature_rank": torch.special.entr(singular / singular.sum()).sum().exp(),
    }
