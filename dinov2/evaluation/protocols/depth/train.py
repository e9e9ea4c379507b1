"""Training of heads of depth, side by side, one for each learning rate."""

from collections.abc import Callable
from itertools import islice
from math import cos, pi

import numpy as np
import torch
from torch import Tensor, nn
from torch.backends import cudnn

from dinov2.errors import DataError
from dinov2.evaluation.protocols.dense import DenseBatch, DenseSource, Truths
from dinov2.evaluation.protocols.dense.between import enlarge
from dinov2.evaluation.protocols.dense.source import set_rates, shuffled, tensor
from dinov2.evaluation.protocols.depth.config import DepthConfig
from dinov2.evaluation.protocols.depth.losses import gradient, log_errors, scale_invariant
from dinov2.progress import progress


def train_heads(
    make: Callable[[], nn.Module],
    source: DenseSource,
    truths: Truths,
    among: np.ndarray,
    rates: tuple[float, ...],
    config: DepthConfig,
    seed: int,
    device: torch.device,
) -> list[nn.Module]:
    """One head for each of `rates`, trained on the same batches from the same start.

    AdamW, linear warm-up, then a cosine to 0. Predictions are enlarged to the size of the truth. Convolutions are those
    of cuDNN whose gradients are the same each time.

    Raises:
        DataError: no map has a reading.
    """
    heads = [seeded(make, seed).to(device).train() for _ in rates]
    groups = [{"params": list(head.parameters()), "lr": rate} for head, rate in zip(heads, rates, strict=True)]
    optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    known_ever = False
    repeating = cudnn.flags(enabled=True, deterministic=True)
    with repeating, progress("depth", config.iterations, "iterations") as shown:
        for step, batch in enumerate(islice(shuffled(source, among, config.batch, seed), config.iterations)):
            set_rates(optimiser, rates, rate_at(step, config))
            maps = [torch.from_numpy(truths(int(number))).to(device) for number in batch.index]
            if any((truth > 0).any() for truth in maps):
                known_ever = True
                _step(heads, optimiser, batch, maps, config, device)
            shown.advance()
    if not known_ever:
        raise DataError(f"depth: no map of {len(among)} training images has a reading")
    return [head.eval() for head in heads]


def _step(
    heads: list[nn.Module],
    optimiser: torch.optim.Optimizer,
    batch: DenseBatch,
    maps: list[Tensor],
    config: DepthConfig,
    device: torch.device,
) -> None:
    patches, cls = tensors(batch, device)
    optimiser.zero_grad()
    for head in heads:
        predicted = head(patches, cls)
        errors = [
            log_errors(enlarge(each_hw, (truth.shape[0], truth.shape[1])), truth)
            for each_hw, truth in zip(predicted, maps, strict=True)
        ]
        loss = scale_invariant(errors) + config.gradient_weight * gradient(errors)
        loss.backward()
        nn.utils.clip_grad_norm_(head.parameters(), config.clip)
    optimiser.step()


def tensors(batch: DenseBatch, device: torch.device) -> tuple[Tensor, Tensor]:
    """Patches (B, h, w, L, D) and cls (B, L, D) in float32."""
    return tensor(batch.patches, batch.index, device), tensor(batch.cls, batch.index, device)


def rate_at(step: int, config: DepthConfig) -> float:
    """The learning rate as a share of its highest: a cosine under a linear warm-up, as mmcv's."""
    falling = (1 + cos(pi * step / config.iterations)) / 2
    return falling * min(1.0, (step + 1) / max(1.0, config.warmup * config.iterations))


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module with weights drawn from `seed`, which leaves torch's own random numbers alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
