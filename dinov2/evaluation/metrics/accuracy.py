"""Accuracy over images and over classes."""

import numpy as np
from scipy import sparse

from dinov2.evaluation.statistics import Mean
from dinov2.evaluation.statistics.ratios import ClassRatios


def accuracy(predicted_n: np.ndarray, labels_n: np.ndarray) -> Mean:
    """Share of the images whose class is predicted."""
    return Mean(predicted_n == labels_n)


def class_accuracy(predicted_n: np.ndarray, labels_n: np.ndarray) -> ClassRatios:
    """Mean over classes of the accuracy on each, as the small fine-grained sets are reported (Kornblith et al. 2019).

    Args:
        predicted_n: (N,) int64 classes; any number that is no class is wrong.
        labels_n: (N,) int64 classes; those that no image has are left out.
    """
    rows, shape = np.arange(len(labels_n)), (len(labels_n), int(labels_n.max(initial=-1)) + 1)
    right = (predicted_n == labels_n).astype(np.float64)
    present = sparse.csr_array((np.ones(len(labels_n)), (rows, labels_n)), shape)
    return ClassRatios(sparse.csr_array((right, (rows, labels_n)), shape), present)
