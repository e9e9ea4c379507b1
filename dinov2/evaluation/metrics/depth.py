"""Metrics of depth, of each image and averaged over images (Eigen et al. 2014; BTS, Lee et al. 2019)."""

from collections.abc import Sequence

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.statistics import Mean, Statistic

METRICS = ("rmse", "abs_rel", "delta_1", "delta_2", "delta_3")


def depth_errors(predicted: np.ndarray, truth: np.ndarray, near: float, far: float) -> np.ndarray | None:
    """`METRICS` of one image, (5,) float64; None when no pixel of it has a truth to judge by.

    RMSE √mean (d − d*)² in metres; AbsRel mean |d − d*| / d*; δk the share of pixels where max(d / d*, d* / d) < 1.25ᵏ.

    Args:
        predicted: (H, W) metres.
        truth: (H, W) metres; 0 or not finite where unknown.
        near: metres; what lies nearer, or as near, is not judged, and predictions are clipped to it.
        far: likewise of what is far.

    Raises:
        DataError: the sizes differ, or a prediction is not a number.
    """
    if predicted.shape != truth.shape:
        raise DataError(f"predicted depth {predicted.shape} beside a truth of {truth.shape}: not of one size")
    valid = (truth > near) & (truth < far)
    if not valid.any():
        return None
    found, true = predicted[valid].astype(np.float64), truth[valid].astype(np.float64)
    if np.isnan(found).any():
        raise DataError(f"predicted depth: {int(np.isnan(found).sum())} of {len(found)} pixels are not a number")
    found = np.clip(found, near, far)
    factor = np.maximum(found / true, true / found)
    shares = [(factor < 1.25**power).mean() for power in (1, 2, 3)]
    return np.array([np.sqrt(((found - true) ** 2).mean()), (np.abs(found - true) / true).mean(), *shares])


def depth(errors: Sequence[np.ndarray]) -> dict[str, Statistic]:
    """The statistic of each of `METRICS`: the mean over images, as published, not over all pixels together.

    Args:
        errors: of each image that has any, see `depth_errors`.

    Raises:
        DataError: there is none.
    """
    if not len(errors):
        raise DataError("depth: no image has a pixel with a truth to judge by")
    return {name: Mean(column) for name, column in zip(METRICS, np.stack(errors).T, strict=True)}
