"""What a backbone must beat on a labelled set, beside random weights and pixels: the largest class."""

import numpy as np


def chance(train_labels: np.ndarray, test_labels: np.ndarray) -> float:
    """Test accuracy of always answering the largest training class, the lower one among equals."""
    return float((test_labels == np.bincount(train_labels).argmax()).mean())
