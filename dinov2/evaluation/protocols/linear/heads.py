"""Linear heads side by side, one for each learning rate and each choice of columns, trained on the same batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from dinov2.evaluation.protocols.linear.config import LinearConfig
from dinov2.progress import progress

MOMENTUM = 0.9
INITIAL_STD = 0.01
ROWS_AT_ONCE, LOGITS_AT_ONCE = 4096, 2**26
EVERYTHING = slice(None)
BF16_ON = ("cuda",)
"""Devices on which products of matrices are in bf16."""


@dataclass(frozen=True)
class Heads:
    """R linear layers side by side on some columns of the features: weight (D, R, C) and bias (R, C)."""

    columns: slice
    weight: Tensor
    bias: Tensor

    def logits(self, inputs_bd: Tensor) -> Tensor:
        """(B, R, C), every head's answer; one product of matrices for all of them."""
        read_bd = inputs_bd[:, self.columns]
        return (read_bd @ self.weight.flatten(1)).unflatten(1, self.bias.shape) + self.bias


@torch.no_grad()
def train_heads(
    inputs_nd: Tensor,
    labels_n: Tensor,
    classes: int,
    rates: tuple[float, ...],
    config: LinearConfig,
    seed: int,
    device: torch.device,
    readings: Sequence[slice] = (EVERYTHING,),
    among: Tensor | None = None,
) -> list[Heads]:
    """Train, for each of `readings`, a head for each of `rates`: on the same batches, minimising cross-entropy.

    SGD with momentum 0.9 and no weight decay, cosine from the rate to 0 over `config.iterations`; products of matrices
    in bf16 where there is a GPU. The gradient is written out, softmax minus one-hot, so that a step is two products for
    all heads of a reading together.

    Args:
        inputs_nd: of any floating type, on any device.
        labels_n: int64, on the device that computes.
        classes: C.
        rates: R learning rates.
        config: length and size of a batch.
        seed: of weights and batches.
        device: that computes.
        readings: which columns heads see.
        among: int64 numbers of the inputs that teach, on the CPU; None is all of them.
    """
    heads = [_start(inputs_nd.shape[1], columns, classes, len(rates), seed, device) for columns in readings]
    speeds = [(torch.zeros_like(each.weight), torch.zeros_like(each.bias)) for each in heads]
    rate_r1 = torch.tensor(rates, device=device)[:, None]
    order = _Order(torch.arange(len(inputs_nd)) if among is None else among, seed)
    with progress("linear probe", config.iterations, "iterations") as shown:
        for iteration in range(config.iterations):
            rows_b = order.next(config.batch)
            inputs_bd = inputs_nd[rows_b.to(inputs_nd.device)].to(device).float()
            answers_b1c = one_hot(labels_n[rows_b.to(device)], classes)[:, None]
            falling_r1 = 0.5 * (1 + cos(pi * iteration / config.iterations)) * rate_r1
            for head, (velocity_w, velocity_b) in zip(heads, speeds, strict=True):
                with torch.autocast(device.type, torch.bfloat16, enabled=device.type in BF16_ON):
                    error_brc = (head.logits(inputs_bd).softmax(-1) - answers_b1c) / config.batch
                    gradient = inputs_bd[:, head.columns].T @ error_brc.flatten(1)
                velocity_w.mul_(MOMENTUM).add_(gradient.view_as(head.weight))
                velocity_b.mul_(MOMENTUM).add_(error_brc.sum(0))
                head.weight.sub_(velocity_w * falling_r1)
                head.bias.sub_(velocity_b * falling_r1)
            shown.advance()
    return heads


def _start(width: int, columns: slice, classes: int, rates: int, seed: int, device: torch.device) -> Heads:
    """The same weights for every rate."""
    generator = torch.Generator().manual_seed(seed)
    read = len(range(width)[columns])
    weight = torch.empty(read, 1, classes).normal_(std=INITIAL_STD, generator=generator).repeat(1, rates, 1)
    return Heads(columns, weight.to(device), torch.zeros(rates, classes, device=device))


class _Order:
    """Batches without end: every image once, shuffled, then again in another order."""

    def __init__(self, rows_n: Tensor, seed: int) -> None:
        self._rows_n, self._generator = rows_n, torch.Generator().manual_seed(seed)
        self._left = torch.empty(0, dtype=torch.int64)

    def next(self, batch: int) -> Tensor:
        while len(self._left) < batch:
            shuffled_n = self._rows_n[torch.randperm(len(self._rows_n), generator=self._generator)]
            self._left = torch.cat([self._left, shuffled_n])
        taken, self._left = self._left[:batch], self._left[batch:]
        return taken


@torch.no_grad()
def predicted(heads: Heads, inputs_nd: Tensor, among: Tensor | None = None) -> Tensor:
    """(R, N) class that each head gives each image.

    Args:
        heads: on the device that computes.
        inputs_nd: of any floating type, on any device.
        among: rising int64 numbers of the classes that an answer may be, on the device that computes; None for all.
    """
    found = []
    for inputs_bd in inputs_nd.split(_rows_at_once(heads)):
        logits_brc = heads.logits(inputs_bd.to(heads.bias.device).float())
        best_br = logits_brc.argmax(-1) if among is None else among[logits_brc[..., among].argmax(-1)]
        found.append(best_br.T)
    return torch.cat(found, dim=1)


@torch.no_grad()
def mean_loss(heads: Heads, inputs_nd: Tensor, labels_n: Tensor) -> Tensor:
    """(R,) float64 mean cross-entropy of each head."""
    total_r = torch.zeros(len(heads.bias), dtype=torch.float64, device=labels_n.device)
    rows = _rows_at_once(heads)
    for inputs_bd, labels_b in zip(inputs_nd.split(rows), labels_n.split(rows), strict=True):
        log_brc = heads.logits(inputs_bd.to(labels_n.device).float()).log_softmax(-1)
        total_r -= log_brc[torch.arange(len(labels_b)), :, labels_b].double().sum(0)
    return total_r / len(labels_n)


def _rows_at_once(heads: Heads) -> int:
    """Fewer where there are many classes."""
    return min(ROWS_AT_ONCE, max(1, LOGITS_AT_ONCE // heads.bias.numel()))
