"""What a protocol of image classification is given, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dinov2.evaluation.encoder import ImageFeatures


@dataclass(frozen=True)
class Labelled:
    """Features of N images and the class of each.

    Attributes:
        features: of the N images.
        labels: (N,) int64, numbers of classes; a test image whose class has no training image has one >= `classes`.
        classes: how many classes have training images.
    """

    features: ImageFeatures
    labels: np.ndarray
    classes: int


@dataclass(frozen=True)
class Outcome:
    """What a protocol found.

    Attributes:
        correct: (N,) bool, whether the headline prediction is right, for each test image in order.
        details: further numbers by name, as they stand in the metrics.
    """

    correct: np.ndarray
    details: Mapping[str, float] = field(default_factory=dict)


class ClassificationProtocol(Protocol):
    """Judges features by what can be read off them: it learns from `train` and answers for `test`."""

    @property
    def name(self) -> str:
        """As it stands in the metrics."""

    def __call__(self, train: Labelled, test: Labelled) -> Outcome:
        """The outcome on `test`; images of classes that `train` does not have count as errors."""
