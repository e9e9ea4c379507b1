"""Metrics of semantic segmentation, from counts of pixels."""

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from dinov2.errors import DataError
from dinov2.evaluation.statistics import Statistic
from dinov2.evaluation.statistics.ratios import ClassRatios


def class_counts(predicted: np.ndarray, truth: np.ndarray, classes: int, ignore: int | None) -> np.ndarray:
    """Pixels of one image, (3, classes) int64: of each class those right, those predicted and those in truth.

    Args:
        predicted: (H, W) integers below `classes`.
        truth: (H, W) integers, below `classes` or `ignore`.
        classes: how many there are.
        ignore: pixels of this truth are not counted, whatever is predicted there; None where there is no such label.

    Raises:
        DataError: the two differ in size, or a label is none of those allowed.
    """
    if predicted.shape != truth.shape:
        raise DataError(f"predicted pixels {predicted.shape} beside a mask of {truth.shape}: not of one size")
    counted = np.ones(truth.shape, bool) if ignore is None else truth != ignore
    found, true = predicted[counted].astype(np.int64), truth[counted].astype(np.int64)
    for what, labels in (("predicted", found), ("mask", true)):
        if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
            wrong = labels.max() if labels.max() >= classes else labels.min()
            raise DataError(f"{what}: label {wrong}; allowed: 0 to {classes - 1}" + _ignored(ignore))
    return np.stack([np.bincount(each, minlength=classes) for each in (true[found == true], found, true)])


def segmentation(counts: Iterable[np.ndarray]) -> dict[str, Statistic]:
    """`miou`, `pixel_accuracy` and `class_accuracy`, of counts pooled over images (Everingham et al. 2010).

    The intersection over union of a class is that of all its pixels in all images. A class that is neither in truth
    nor predicted is left out of the mean of `miou`, one that is not in truth of that of `class_accuracy`.

    Args:
        counts: of each image, see `class_counts`.

    Raises:
        DataError: there is no image.
    """
    rows = [sparse.csr_array(each) for each in counts]
    if not rows:
        raise DataError("segmentation of no image says nothing")
    pixels = sparse.vstack(rows, format="csr").astype(np.float64)
    right, found, true = pixels[0::3], pixels[1::3], pixels[2::3]
    return {
        "miou": ClassRatios(right, found + true - right),
        "pixel_accuracy": ClassRatios(_summed(right), _summed(true)),
        "class_accuracy": ClassRatios(right, true),
    }


def _summed(pixels_nc: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array(pixels_nc.sum(axis=1)[:, None])


def _ignored(ignore: int | None) -> str:
    return "" if ignore is None else f", or {ignore}, which is not counted"
