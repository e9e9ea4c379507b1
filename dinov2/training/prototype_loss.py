"""Cross-entropy over many prototypes without ever holding the student's logits."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dinov2.training.projection import Projection, log_partition, scores

Targets = Callable[[slice], Tensor]
"""What the student's n rows are to predict of some of the prototypes, (n, columns) in fp32; rows sum to 1 over all."""


def prototype_loss(student: Projection, targets: Targets, weights: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Weighted sum of the cross-entropies between targets and a student's assignments.

    Logits and gradients of logits exist for a chunk of prototypes at a time: with 131072 of them they are what a step
    would otherwise need most memory for. The gradients of the two factors are formed along with the loss and kept in
    fp32.

    Args:
        student: n rows.
        targets: of the n rows.
        weights: of the n rows (n,).
        temperature: of the student.

    Returns:
        The sum, a scalar, and the cross-entropy of each row (n,) without gradient; both fp32.
    """
    return _PrototypeLoss.apply(student.features, student.prototypes, targets, weights, temperature)


class _PrototypeLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features_nd: Tensor, prototypes_kd: Tensor, targets: Targets, weights_n: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        student, scale = Projection(features_nd, prototypes_kd).kept(), 1.0 / temperature
        normaliser_n1 = -log_partition(student, scale)
        # Weights are tiny, and half precision would round their products to zero: relative to the largest they are not.
        largest = weights_n.max() if len(weights_n) else weights_n.new_ones(())
        relative_n1 = (weights_n / largest)[:, None]
        weighted_nd = (features_nd * relative_n1).to(features_nd.dtype)
        features_grad = torch.zeros_like(features_nd, dtype=torch.float32)
        prototypes_grad = torch.empty_like(prototypes_kd, dtype=torch.float32)
        losses_n = torch.zeros_like(weights_n, dtype=torch.float32)
        for part in student.chunks():
            targets_nk = targets(part)
            log_nk = scores(student.logits(part), scale, normaliser_n1)
            losses_n -= torch.linalg.vecdot(targets_nk, log_nk)
            slope_nk = log_nk.exp_().sub_(targets_nk).to(features_nd.dtype)
            features_grad += slope_nk @ prototypes_kd[part]
            prototypes_grad[part] = slope_nk.T @ weighted_nd
        ctx.save_for_backward(features_grad.mul_(relative_n1), prototypes_grad, largest * scale)
        ctx.dtype = features_nd.dtype
        ctx.mark_non_differentiable(losses_n)
        return (losses_n * weights_n).sum(), losses_n

    @staticmethod
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        features_grad, prototypes_grad, scale = ctx.saved_tensors
        scale = scale * slope
        return (features_grad * scale).to(ctx.dtype), (prototypes_grad * scale).to(ctx.dtype), None, None, None
