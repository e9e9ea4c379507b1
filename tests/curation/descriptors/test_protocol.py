"""Vectors of length 1, and those that can have none."""

import numpy as np
import pytest

from dinov2.curation.descriptors import unit
from dinov2.errors import DataError


def test_unit_is_the_quotient_by_the_length_to_the_last_bit() -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 7, 33)).astype(np.float32)
    expected = [row / np.sqrt(np.square(row).sum()) for row in vectors.reshape(-1, 33)]
    np.testing.assert_array_equal(unit(vectors).reshape(-1, 33), expected)


def test_a_vector_of_zeros_becomes_the_first_axis() -> None:
    np.testing.assert_array_equal(unit(np.array([[0.0, 0.0], [0.0, -2.0]])), [[1, 0], [0, -1]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 1e30, 1e300])
def test_a_vector_without_a_finite_length_is_refused(broken: float) -> None:
    vectors = np.ones((4, 3))
    vectors[2, 1] = broken
    with pytest.raises(DataError, match=r"^vectors: some are not finite: the descriptor's weights are broken$"):
        unit(vectors)
