"""Linear heads side by side, one for each learning rate, trained on the same batches."""

from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from dinov2.evaluation.config import LinearConfig
from dinov2.progress import progress

MOMENTUM = 0.9
INITIAL_STD = 0.01
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Heads:
    """R linear layers side by side: weight (D, R, C) and bias (R, C)."""

    weight: Tensor
    bias: Tensor

    def logits(self, inputs_bd: Tensor) -> Tensor:
        """(B, R, C), every head's answer; one product of matrices for all of them."""
        return (inputs_bd @ self.weight.flatten(1)).unflatten(1, self.bias.shape) + self.bias


@torch.no_grad()
def train_heads(
    inputs_nd: Tensor, labels_n: Tensor, classes: int, rates: tuple[float, ...], config: LinearConfig, seed: int
) -> Heads:
    """Train one head for each of `rates` on the same batches from the same start, minimising cross-entropy.

    SGD with momentum 0.9 and no weight decay, cosine from the rate to 0 over `config.iterations`. The gradient is
    written out, softmax minus one-hot, so that a step is two products of matrices for all heads together.
    """
    device, generator = inputs_nd.device, torch.Generator().manual_seed(seed)
    start = torch.empty(inputs_nd.shape[1], 1, classes).normal_(std=INITIAL_STD, generator=generator)
    weight = start.repeat(1, len(rates), 1).to(device)
    bias = torch.zeros(len(rates), classes, device=device)
    velocity_w, velocity_b = torch.zeros_like(weight), torch.zeros_like(bias)
    heads, rate_r1 = Heads(weight, bias), torch.tensor(rates, device=device)[:, None]
    order = _Order(len(inputs_nd), generator)
    with progress("linear probe", config.iterations, "iterations") as shown:
        for iteration in range(config.iterations):
            rows_b = order.next(config.batch).to(device)
            inputs_bd = inputs_nd[rows_b]
            error_brc = (
                heads.logits(inputs_bd).softmax(-1) - one_hot(labels_n[rows_b], classes)[:, None]
            ) / config.batch
            falling = 0.5 * (1 + cos(pi * iteration / config.iterations))
            velocity_w.mul_(MOMENTUM).add_((inputs_bd.T @ error_brc.flatten(1)).view_as(weight))
            velocity_b.mul_(MOMENTUM).add_(error_brc.sum(0))
            weight.sub_(velocity_w * (falling * rate_r1))
            bias.sub_(velocity_b * (falling * rate_r1))
            shown.advance()
    return heads


class _Order:
    """Batches without end: every image once, shuffled, then again in another order."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self._count, self._generator = count, generator
        self._left = torch.empty(0, dtype=torch.int64)

    def next(self, batch: int) -> Tensor:
        while len(self._left) < batch:
            self._left = torch.cat([self._left, torch.randperm(self._count, generator=self._generator)])
        taken, self._left = self._left[:batch], self._left[batch:]
        return taken


@torch.no_grad()
def predicted(heads: Heads, inputs_nd: Tensor) -> Tensor:
    """(R, N) class that each head gives each image."""
    return torch.cat([heads.logits(inputs_bd).argmax(-1).T for inputs_bd in inputs_nd.split(ROWS_AT_ONCE)], dim=1)


@torch.no_grad()
def mean_loss(heads: Heads, inputs_nd: Tensor, labels_n: Tensor) -> Tensor:
    """(R,) float64 mean cross-entropy of each head."""
    total_r = torch.zeros(len(heads.bias), dtype=torch.float64, device=inputs_nd.device)
    for inputs_bd, labels_b in zip(inputs_nd.split(ROWS_AT_ONCE), labels_n.split(ROWS_AT_ONCE), strict=True):
        log_brc = heads.logits(inputs_bd).log_softmax(-1)
        total_r -= log_brc[torch.arange(len(labels_b)), :, labels_b].double().sum(0)
    return total_r / len(labels_n)
