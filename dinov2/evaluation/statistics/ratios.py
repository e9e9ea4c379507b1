"""Metrics that are a ratio of sums for every class, and the mean of these."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from dinov2.errors import DataError
from dinov2.evaluation.statistics.statistic import ratio


@dataclass(frozen=True)
class ClassRatios:
    """For each class a sum over images divided by another; of the classes where that is defined, the mean.

    Attributes:
        over_nc: (N, C) what each image adds above.
        under_nc: (N, C) what it adds below, not negative. A class with a sum of 0, in the images or in a draw of
            them, is left out of the mean.

    Raises:
        DataError: the two are not of one shape.
    """

    over_nc: sparse.csr_array
    under_nc: sparse.csr_array

    def __post_init__(self) -> None:
        if self.over_nc.shape != self.under_nc.shape:
            raise DataError(f"ratios of sums of shapes {self.over_nc.shape} and {self.under_nc.shape}: not of the same")

    @property
    def count(self) -> int:
        """See `Statistic`."""
        return self.over_nc.shape[0]

    def each(self, weights_bn: np.ndarray) -> np.ndarray:
        """The ratio of each class, (B, C), NaN where its sum below is 0."""
        return ratio(weights_bn @ self.over_nc, weights_bn @ self.under_nc)

    def __call__(self, weights_bn: np.ndarray) -> np.ndarray:
        """See `Statistic`."""
        ratios_bc = self.each(weights_bn)
        defined_bc = ~np.isnan(ratios_bc)
        return ratio(np.where(defined_bc, ratios_bc, 0).sum(axis=1), defined_bc.sum(axis=1))
