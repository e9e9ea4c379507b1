"""Cross-entropy over many prototypes without ever holding the student's logits."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dinov2.training.projection import Projection

Targets = Callable[[slice], Tensor]
"""Rows of the student to what they are to predict, (rows, K) in fp32; may be overwritten."""


def prototype_loss(
    student: Projection, targets: Targets, weights: Tensor, temperature: float, unit: int = 1
) -> tuple[Tensor, Tensor]:
    """Weighted sum of the cross-entropies between targets and a student's assignments.

    Logits and gradients of logits exist for a chunk of rows at a time: with 131072 prototypes they are what a step
    would otherwise need most memory for. The gradients of the two factors are formed along with the loss, so that
    nothing is computed twice; those of the prototypes are summed up in fp32.

    Args:
        student: n rows.
        targets: called with slices whose ends are multiples of `unit`.
        weights: of the rows (n,).
        temperature: of the student.
        unit: rows that belong together.

    Returns:
        The sum, a scalar, and the cross-entropy of each row (n,) without gradient; both fp32.
    """
    return _PrototypeLoss.apply(student.features, student.prototypes, targets, weights, temperature, unit)


class _PrototypeLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features_nd: Tensor,
        prototypes_kd: Tensor,
        targets: Targets,
        weights_n: Tensor,
        temperature: float,
        unit: int,
    ) -> tuple[Tensor, Tensor]:
        student = Projection(features_nd, prototypes_kd)
        wanted = any(ctx.needs_input_grad)
        rows_grad = torch.zeros_like(features_nd, dtype=torch.float32)
        prototypes_grad = torch.zeros_like(prototypes_kd, dtype=torch.float32)
        losses_n = weights_n.new_zeros(len(student), dtype=torch.float32)
        # Weights are tiny, and half precision would round their products to zero: relative to the largest they are not.
        largest = weights_n.max() if len(weights_n) else weights_n.new_ones(())
        for rows in student.chunks(unit):
            scores_nk, targets_nk = student.logits(rows).div_(temperature), targets(rows)
            mass_n = targets_nk.sum(dim=1)
            normaliser_n = torch.logsumexp(scores_nk, dim=1)
            losses_n[rows] = mass_n * normaliser_n - torch.linalg.vecdot(targets_nk, scores_nk)
            if wanted:
                relative_n1 = (weights_n[rows] / largest)[:, None]
                slope_nk = scores_nk.sub_(normaliser_n[:, None]).exp_().mul_(mass_n[:, None] * relative_n1)
                slope_nk = slope_nk.addcmul_(targets_nk, relative_n1, value=-1).to(features_nd.dtype)
                rows_grad[rows] = slope_nk @ prototypes_kd
                prototypes_grad += slope_nk.T @ features_nd[rows]
        ctx.save_for_backward(rows_grad, prototypes_grad, largest / temperature)
        ctx.dtype = features_nd.dtype
        ctx.mark_non_differentiable(losses_n)
        return (losses_n * weights_n).sum(), losses_n

    @staticmethod
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        rows_grad, prototypes_grad, scale = ctx.saved_tensors
        scale = scale * slope
        return (rows_grad * scale).to(ctx.dtype), (prototypes_grad * scale).to(ctx.dtype), None, None, None, None
