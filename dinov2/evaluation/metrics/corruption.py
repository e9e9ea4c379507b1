"""Errors under corruption against those of a baseline."""

from collections.abc import Mapping

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.statistics import Mean

ALEXNET = {
    "gaussian_noise": 0.886428, "shot_noise": 0.894468, "impulse_noise": 0.922640,
    "defocus_blur": 0.819880, "glass_blur": 0.826268, "motion_blur": 0.785948, "zoom_blur": 0.798360,
    "snow": 0.866816, "frost": 0.826572, "fog": 0.819324, "brightness": 0.564592,
    "contrast": 0.853204, "elastic_transform": 0.646056, "pixelate": 0.717840, "jpeg_compression": 0.606500,
}  # fmt: skip
"""AlexNet's error on each corruption of ImageNet-C, the mean over its five severities, as released with the set."""


def mean_corruption_error(wrong: Mapping[str, np.ndarray], baseline: Mapping[str, float]) -> Mean:
    """mCE: the mean over corruptions of the error divided by the baseline's (Hendrycks and Dietterich 2019).

    It is linear in the images, each being corrupted in every way, and so a mean of a number of each. A share of 1 is
    as many errors as the baseline; published tables have it in per cent.

    Args:
        wrong: of each corruption (severities, N) bool, whether the image is classified wrongly.
        baseline: of each corruption the baseline's error, the mean over severities, above 0.

    Raises:
        DataError: there is no corruption, one without a baseline, or they are not of the same images.
    """
    if not wrong or (unknown := sorted(set(wrong) - set(baseline))):
        raise DataError(f"mCE of corruptions {unknown if wrong else 'none'}; allowed: {', '.join(sorted(baseline))}")
    if len({each.shape[1] for each in wrong.values()}) > 1:
        sizes = ", ".join(f"{name} {each.shape[1]}" for name, each in sorted(wrong.items()))
        raise DataError(f"mCE of corruptions of different images: {sizes}")
    return Mean(np.mean([each.mean(axis=0) / baseline[name] for name, each in sorted(wrong.items())], axis=0))
