"""The losses of DINOv2 (Oquab et al. 2023, section 4), each a function of tensors, computed in fp32."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dinov2.training.sinkhorn import sinkhorn_knopp

__all__ = ["cross_entropy", "dino_loss", "ibot_loss", "koleo_loss", "patch_weights", "sinkhorn_knopp"]

EPS = 1e-8


def cross_entropy(targets: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """- sum over prototypes of targets * log softmax(logits / temperature).

    Args:
        targets: (n, K), rows of any sum.
        logits: (n, K).
        temperature: of the student.

    Returns:
        (n,) fp32.
    """
    targets, scores_nk = targets.float(), logits.float() / temperature
    return targets.sum(dim=1) * torch.logsumexp(scores_nk, dim=1) - torch.linalg.vecdot(targets, scores_nk)


def dino_loss(
    global_logits: Tensor, local_logits: Tensor, targets: Tensor, temperature: float = 0.1
) -> tuple[Tensor, Tensor]:
    """Each student crop predicts the assignment of each teacher crop, save that of the very same crop.

    For a local crop the two cross-entropies against the two teacher crops are one against the sum of their targets.

    Args:
        global_logits: student, (2, B, K).
        local_logits: student, (L, B, K).
        targets: teacher, (2, B, K).
        temperature: of the student.

    Returns:
        (global, local) terms, scalars: sums over pairs of crops, means over images, both divided by the number of all
        pairs, 2 + 2 L.
    """
    local_count, batch, _ = local_logits.shape
    pairs = 2 + 2 * local_count
    crossed = cross_entropy(targets.flip(0).flatten(0, 1), global_logits.flatten(0, 1), temperature)
    both = targets.sum(dim=0).expand(local_count, -1, -1)
    local = cross_entropy(both.flatten(0, 1), local_logits.flatten(0, 1), temperature)
    return crossed.sum() / (batch * pairs), local.sum() / (batch * pairs)


def ibot_loss(logits: Tensor, targets: Tensor, masks: Tensor, temperature: float = 0.1) -> Tensor:
    """Masked patches predict the teacher's assignment of the patch they hide (Zhou et al. 2022, iBOT, equation 2).

    Args:
        logits: student, one row for each masked patch, in the order of `masks.nonzero()`, (m, K).
        targets: teacher, likewise (m, K).
        masks: (crops, N) bool. Each masked crop weighs the same however many of its patches are masked; the sum is
            divided by all crops, masked or not.
        temperature: of the student.

    Returns:
        Scalar; 0 when nothing is masked.
    """
    return (cross_entropy(targets, logits, temperature) * patch_weights(masks)).sum()


def patch_weights(masks: Tensor) -> Tensor:
    """What each masked patch counts for, (m,) in the order of `masks.nonzero()`, for masks (crops, N).

    One over the masked patches of its crop and over all crops, masked or not.
    """
    weights_c = 1.0 / (masks.sum(dim=1).clamp(min=1) * len(masks))
    return weights_c[:, None].expand_as(masks)[masks]


def koleo_loss(x: Tensor) -> Tensor:
    """Push features apart: minus the mean log distance to the nearest other one (Sablayrolles et al. 2019, equation 2).

    Args:
        x: features (..., B, D), normalised here; neighbours are sought among each B. fp32 inside: with coinciding
            features the distance is the `EPS` that is added to it, which fp16 would round to 0.

    Returns:
        Scalar, the mean over all features; 0 for single ones, which have no neighbour.
    """
    with torch.autocast(x.device.type, enabled=False):
        x_bd = normalize(x.float(), dim=-1, eps=EPS)
        if x_bd.shape[-2] < 2:
            return x_bd.sum() * 0.0
        with torch.no_grad():
            similarity_bb = x_bd @ x_bd.mT
            similarity_bb.diagonal(dim1=-2, dim2=-1).fill_(-2.0)
            nearest_b = similarity_bb.argmax(dim=-1, keepdim=True)
        distance_b = (x_bd - x_bd.take_along_dim(nearest_b, dim=-2) + EPS).norm(dim=-1)
        return -(distance_b + EPS).log().mean()
