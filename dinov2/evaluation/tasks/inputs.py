"""Features as protocols of classification read them."""

from collections.abc import Sequence

import numpy as np

from dinov2.evaluation.features import ImageFeatures
from dinov2.evaluation.protocols.linear import Reading


def side_by_side(features: ImageFeatures) -> np.ndarray:
    """(N, L · D + P): cls of the layers, the last one last, then the mean patch of the last layer."""
    return np.concatenate([features.cls_nld.reshape(len(features.cls_nld), -1), features.patch_nd], axis=1)


def readings(features: ImageFeatures) -> Sequence[Reading]:
    """What linear heads try of `side_by_side`: cls of the last or of all layers, with the mean patch and without.

    As published (DINOv2, appendix B.3): {1, 4} layers, the mean patch being that of the last one.
    """
    layers, width = features.cls_nld.shape[1:]
    patch = features.patch_nd.shape[1]
    return [
        Reading(slice((layers - taken) * width, layers * width + beside), {"layers": taken, "mean_patch": beside > 0})
        for taken in sorted({1, layers})
        for beside in sorted({0, patch})
    ]
