"""A class for every pixel of an image, at the image's own size."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dinov2.evaluation.protocols.dense import DenseBatch
from dinov2.evaluation.protocols.dense.between import weights
from dinov2.evaluation.protocols.segmentation.heads import Heads
from dinov2.evaluation.protocols.segmentation.train import features

VALUES_AT_ONCE = 2**25


@torch.inference_mode()
def predict(
    heads: Heads, head: int, seen: Sequence[tuple[DenseBatch, bool]], size: tuple[int, int], device: torch.device
) -> np.ndarray:
    """(H, W) int64 classes of one image, from one head.

    The logits of every view are enlarged bilinearly, turned into probabilities and added up, as published.

    Args:
        heads: trained, in evaluation.
        head: which of them.
        seen: the image in each view, and whether that is mirrored.
        size: H and W of the truth.
        device: of the heads.
    """
    enlarged = [_Enlarged(_logits(heads, head, batch, flipped, device), size) for batch, flipped in seen]
    classes = enlarged[0].logits_hwk.shape[2]
    strip = max(1, VALUES_AT_ONCE // (size[1] * classes))
    parts = []
    for start in range(0, size[0], strip):
        logits = [each.rows(start, start + strip) for each in enlarged]
        answer = logits[0] if len(logits) == 1 else torch.stack([each.softmax(2) for each in logits]).sum(0)
        parts.append(answer.argmax(2).cpu().numpy())
    return np.concatenate(parts)


class _Enlarged:
    """Logits (h, w, K) on patches at the size of an image, computed a few rows at a time."""

    def __init__(self, logits_hwk: Tensor, size: tuple[int, int]) -> None:
        self.logits_hwk = logits_hwk
        self._down = weights(size[0], logits_hwk.shape[0], logits_hwk.device)
        self._across = weights(size[1], logits_hwk.shape[1], logits_hwk.device)

    def rows(self, start: int, stop: int) -> Tensor:
        """(stop - start, W, K), fewer at the end."""
        down_rh = self._down[start:stop]
        tall_rwk = (down_rh @ self.logits_hwk.flatten(1)).unflatten(1, self.logits_hwk.shape[1:])
        return self._across @ tall_rwk


def _logits(heads: Heads, head: int, batch: DenseBatch, flipped: bool, device: torch.device) -> Tensor:
    logits_hwk = heads(heads.normalised(features(batch, device)))[0, :, :, head]
    return logits_hwk.flip(1) if flipped else logits_hwk
