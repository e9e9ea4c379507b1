"""Sums of clusters against integer arithmetic."""

import numpy as np

from dinov2.curation.kmeans.sums import ClusterSums
from tests.curation.kmeans.blobs import blobs


def test_sums_are_exact_after_any_number_of_moves() -> None:
    points, _ = blobs([400], 3.0)
    random = np.random.default_rng(0)
    sums, labels = ClusterSums(9, 32), np.full(400, -1, np.int32)
    for _ in range(20):
        moved = np.where(random.random(400) < 0.3, random.integers(0, 8, 400), labels).astype(np.int32)
        moved[labels < 0] = 3
        for start in range(0, 400, 150):
            rows = slice(start, start + 150)
            sums.move(points[rows].astype(np.float32), labels[rows], moved[rows])
        labels = moved
    whole = (points.astype(np.float64) * 2**24).astype(np.int64)
    expected = np.zeros((9, 32), np.int64)
    np.add.at(expected, labels, whole)
    np.testing.assert_array_equal((sums.sums * 2**24).astype(np.int64), expected)
