"""What protocols of classification learn from and are asked about."""

from dataclasses import dataclass

import numpy as np

from dinov2.errors import DataError


@dataclass(frozen=True)
class Examples:
    """Features of N images and their classes.

    Attributes:
        inputs_nd: (N, D) of any floating type.
        labels_n: (N,) int64 numbers of classes.

    Raises:
        DataError: there is none, they are not as many, or a feature is not finite.
    """

    inputs_nd: np.ndarray
    labels_n: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.labels_n) or len(self.inputs_nd) != len(self.labels_n):
            raise DataError(f"features of {len(self.inputs_nd)} images and {len(self.labels_n)} labels; need as many")
        if not np.isfinite(self.inputs_nd.sum(dtype=np.float64)):
            raise DataError("some features are not finite: the model or the stored features are broken")

    def take(self, rows: np.ndarray) -> "Examples":
        """Those of these numbers, or of a mask."""
        return Examples(self.inputs_nd[rows], self.labels_n[rows])
