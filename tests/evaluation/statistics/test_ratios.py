import numpy as np
import pytest
from scipy import sparse

from dinov2.errors import DataError
from dinov2.evaluation.statistics import interval
from dinov2.evaluation.statistics.ratios import ClassRatios

OVER = np.array([[1.0, 0, 0], [2, 0, 0], [0, 3, 0]])
UNDER = np.array([[2.0, 0, 0], [2, 1, 0], [0, 3, 0]])


def ratios(over, under):
    return ClassRatios(sparse.csr_array(over), sparse.csr_array(under))


def test_sums_are_taken_before_the_ratio_and_undefined_classes_left_out():
    weights = np.array([[1.0, 1, 1], [3, 0, 0], [0, 0, 2]])
    found = ratios(OVER, UNDER)
    np.testing.assert_allclose(found(weights), [(3 / 4 + 3 / 4) / 2, 1 / 2, 1.0], rtol=1e-15)
    np.testing.assert_allclose(found.each(weights)[0], [3 / 4, 3 / 4, np.nan])


def test_a_draw_without_any_class_is_undefined_and_counted():
    lonely = ratios(np.array([[1.0], [0], [0]]), np.array([[1.0], [0], [0]]))
    found = interval(lonely, seed=0)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert 200 < found.undefined < 400  # (2/3)³ of 1000 draws


def test_shapes_that_differ_are_refused():
    with pytest.raises(DataError, match="not of the same"):
        ratios(OVER, UNDER[:2])
