"""What a head learns depth by: logarithms compared, up to scale and by their slopes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

INVARIANCE = 0.85
SCALES = 4
TINY = 1e-8


@dataclass(frozen=True)
class LogErrors:
    """Of one image (H, W): `g`, logarithm of the prediction less that of the truth, and where it is `known`."""

    g: Tensor
    known: Tensor


def log_errors(predicted_hw: Tensor, truth_hw: Tensor) -> LogErrors:
    """Compare metres with a truth, which is 0 where unknown."""
    known = truth_hw > 0
    return LogErrors(predicted_hw.log() - torch.where(known, truth_hw, 1).log(), known)


def scale_invariant(errors: Sequence[LogErrors]) -> Tensor:
    """√ (mean g² − 0.85 (mean g)²) over all known pixels of a batch.

    Eigen et al. 2014, equation 4, with the weight and the root of Lee et al. 2019 (BTS).
    """
    count = _total([each.known for each in errors])
    mean = _total([torch.where(each.known, each.g, 0) for each in errors]) / count
    variance = _total([torch.where(each.known, each.g - mean, 0).square() for each in errors]) / count
    return (variance + (1 - INVARIANCE) * mean**2 + TINY).sqrt()


def gradient(errors: Sequence[LogErrors]) -> Tensor:
    """Mean |difference of g between neighbours|, across and down, added up over 4 scales of half the size each.

    Li and Snavely 2018 (MegaDepth), equation 4: sharp where the truth is, flat where it is.
    """
    total = errors[0].g.new_zeros(())
    for step in (2**scale for scale in range(SCALES)):
        coarse = [LogErrors(each.g[::step, ::step], each.known[::step, ::step]) for each in errors]
        differences = _total([_differences(each) for each in coarse])
        total = total + differences / _total([each.known for each in coarse]).clamp(min=1)
    return total


def _total(images: Sequence[Tensor]) -> Tensor:
    return torch.stack([each.sum() for each in images]).sum()


def _differences(errors: LogErrors) -> Tensor:
    g, known = errors.g, errors.known
    across = torch.where(known[:, 1:] & known[:, :-1], g[:, 1:] - g[:, :-1], 0)
    down = torch.where(known[1:] & known[:-1], g[1:] - g[:-1], 0)
    return across.abs().sum() + down.abs().sum()
