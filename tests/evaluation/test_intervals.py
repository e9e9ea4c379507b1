import numpy as np
import pytest
from scipy.stats import binomtest

from dinov2.evaluation.intervals import wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 50), (50, 50), (3, 7), (812, 1000), (1, 100000)])
def test_wilson_equals_scipy(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson(successes, trials), (expected.low, expected.high), atol=1e-12)
