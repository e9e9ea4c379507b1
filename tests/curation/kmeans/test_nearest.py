"""The nearest centroid against float64 brute force."""

import faiss
import numpy as np
import pytest

from dinov2.curation.descriptors import unit
from dinov2.curation.kmeans import nearest as module
from dinov2.curation.kmeans.nearest import Nearest
from dinov2.errors import DataError
from tests.curation.kmeans.blobs import blobs


def brute_force(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Numbers of the nearest centroids by sums that math.fsum would give: in extended precision, one by one."""
    products = points.astype(np.longdouble)[:, None, :] * centroids.astype(np.longdouble)[None, :, :]
    return products.sum(axis=2).argmax(axis=1)


@pytest.mark.parametrize("count", [1, 2, 37])
def test_the_nearest_centroid_is_that_of_exact_arithmetic(count: int) -> None:
    points = blobs([300], 3.0)[0].astype(np.float32)
    centroids = unit(np.random.default_rng(1).standard_normal((count, 32)))
    labels, similarities = Nearest(centroids)(points)
    np.testing.assert_array_equal(labels, brute_force(points, centroids))
    np.testing.assert_allclose(similarities, (points @ centroids.T).max(axis=1), atol=1e-6)


def test_centroids_that_float32_cannot_tell_apart_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SCORES", 40)
    points = blobs([200], 3.0)[0].astype(np.float32)
    one = unit(np.random.default_rng(2).standard_normal((1, 32)))
    # Steps of one unit in the last place move a product by less than its rounding in float32.
    centroids = np.repeat(one, 8, axis=0)
    for number in range(8):
        centroids[number, number] = np.nextafter(centroids[number, number], np.float32(2))
    labels, _ = Nearest(centroids)(points)
    np.testing.assert_array_equal(labels, brute_force(points, centroids))
    assert len(np.unique(labels)) > 4
    assert (labels != faiss.knn(points, centroids, 1, metric=faiss.METRIC_INNER_PRODUCT)[1][:, 0]).any()


def test_of_equal_centroids_the_lowest_number_is_taken() -> None:
    points = blobs([500], 3.0)[0].astype(np.float32)
    few = unit(np.random.default_rng(3).standard_normal((5, 32)))
    labels, _ = Nearest(np.concatenate([few, few[::-1], few]))(points)
    np.testing.assert_array_equal(labels, brute_force(points, few))


def test_a_vector_that_is_not_finite_is_refused() -> None:
    points = np.ones((3, 4), np.float32)
    points[1, 2] = np.nan
    with pytest.raises(DataError, match="not finite"):
        Nearest(np.eye(4, dtype=np.float32))(points)
