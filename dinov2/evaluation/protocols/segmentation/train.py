"""Training of the heads, on a few pixels of each image."""

from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dinov2.errors import DataError
from dinov2.evaluation.protocols.dense import DenseBatch, DenseSource, Truths
from dinov2.evaluation.protocols.dense.between import at_pixels
from dinov2.evaluation.protocols.dense.source import set_rates, shuffled, tensor
from dinov2.evaluation.protocols.segmentation.config import SegmentationConfig
from dinov2.evaluation.protocols.segmentation.heads import Heads
from dinov2.evaluation.sets.task import IGNORE
from dinov2.progress import progress


def train_heads(
    source: DenseSource,
    truths: Truths,
    among: np.ndarray,
    classes: int,
    rates: tuple[float, ...],
    config: SegmentationConfig,
    seed: int,
    device: torch.device,
) -> tuple[Heads, int]:
    """One head for each of `rates`, trained on the same pixels from the same start; and how many classes they saw.

    AdamW, linear warm-up, then linearly to 0. Each step takes `config.pixels` pixels of each image, drawn from all of
    it; what the heads would answer there once enlarged to the image's size is what the loss is taken of.

    Raises:
        DataError: no pixel has a class.
    """
    heads = Heads(source.layers * source.width, classes, len(rates), torch.Generator().manual_seed(seed)).to(device)
    groups = [{"params": heads.of(head), "lr": rate} for head, rate in enumerate(rates)]
    optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    drawn, seen = np.random.default_rng(seed), np.zeros(classes, dtype=bool)
    with progress("segmentation", config.iterations, "iterations") as shown:
        for step, batch in enumerate(islice(shuffled(source, among, config.batch, seed), config.iterations)):
            set_rates(optimiser, rates, rate_at(step, config))
            normal_bhwc = heads.normalised(features(batch, device))
            logits_nrk, labels_n = _sample(
                heads(normal_bhwc), [truths(int(i)) for i in batch.index], config.pixels, drawn
            )
            if len(labels_n):
                seen[labels_n.unique().cpu().numpy()] = True
                loss = torch.stack([cross_entropy(logits_nk, labels_n) for logits_nk in logits_nrk.unbind(1)]).sum()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            shown.advance()
    if not seen.any():
        raise DataError(f"segmentation: no pixel drawn from {len(among)} training images has a class")
    return heads.eval(), int(seen.sum())


def rate_at(step: int, config: SegmentationConfig) -> float:
    """The learning rate as a share of its highest: mmcv's "poly" of power 1 under a linear warm-up."""
    falling = 1 - step / config.iterations
    return falling * min(1.0, (step + 1) / max(1.0, config.warmup * config.iterations))


def features(batch: DenseBatch, device: torch.device) -> Tensor:
    """(B, h, w, L·D) float32, the layers side by side."""
    return tensor(batch.patches, batch.index, device).flatten(3)


def _sample(
    logits_bhwrk: Tensor, truths: list[np.ndarray], pixels: int, drawn: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Logits (N, R, K) and classes (N,) at random pixels of each image, without those that have none."""
    device, sizes = logits_bhwrk.device, [(truth.shape[0], truth.shape[1]) for truth in truths]
    rows, columns = (np.stack([drawn.integers(size[side], size=pixels) for size in sizes]) for side in (0, 1))
    labels_bp = np.stack([truth[y, x] for truth, y, x in zip(truths, rows, columns, strict=True)]).astype(np.int64)
    rows_bp, columns_bp = (torch.from_numpy(each).to(device) for each in (rows, columns))
    found_bpc = at_pixels(logits_bhwrk.flatten(3), rows_bp, columns_bp, sizes)
    kept_bp = torch.from_numpy(labels_bp != IGNORE).to(device)
    return found_bpc.unflatten(2, logits_bhwrk.shape[3:])[kept_bp], torch.from_numpy(labels_bp).to(device)[kept_bp]
