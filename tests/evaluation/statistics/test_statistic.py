import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.statistics import Mean, Over, value_of

WEIGHTS = np.array([[1.0, 1, 1, 1], [4, 0, 0, 0], [0, 1, 3, 0]])


def test_a_mean_is_numpys_weighted_average():
    values = np.array([0.1, 0.2, 0.7, 1.5])
    expected = [np.average(values, weights=weights) for weights in WEIGHTS]
    np.testing.assert_allclose(Mean(values)(WEIGHTS), expected, rtol=1e-15)


def test_a_weight_of_two_is_two_equal_images():
    values = np.array([True, False, False, True])
    twice = Mean(np.repeat(values, [0, 1, 3, 0]))
    assert Mean(values)(WEIGHTS)[2] == value_of(twice)


def test_weights_of_nothing_leave_the_mean_undefined():
    assert np.isnan(Mean(np.ones(4))(np.zeros((1, 4))))[0]


@pytest.mark.parametrize(
    ("values", "fault"),
    [([], "0 values"), ([1.0, np.nan, np.inf], "3 values, 2 of them not finite"), ([np.nan], "1 values, 1 of them")],
)
def test_a_value_that_is_not_finite_is_refused_rather_than_left_out(values, fault):
    with pytest.raises(DataError, match=fault):
        Mean(np.array(values))


def test_a_suite_of_sets_is_the_mean_of_their_metrics():
    small, large = Mean(np.array([1.0, 0.0])), Mean(np.arange(10.0))
    both = Over((small, large))
    assert both.count == 12
    assert value_of(both) == (0.5 + 4.5) / 2
    only_zeros = np.array([[0.0, 5, *[1] * 9, 0]])
    assert both(only_zeros)[0] == (0 + 4.0) / 2


def test_a_set_of_which_nothing_is_drawn_leaves_the_suite_undefined():
    both = Over((Mean(np.array([1.0, 0.0])), Mean(np.arange(3.0))))
    assert np.isnan(both(np.array([[0.0, 0, 1, 1, 3]])))[0]
