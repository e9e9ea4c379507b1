import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from dinov2.evaluation.metrics.accuracy import accuracy, class_accuracy
from dinov2.evaluation.statistics import value_of

LABELS = np.random.default_rng(0).choice([0, 1, 4], size=200, p=[0.7, 0.2, 0.1])
PREDICTED = np.where(np.random.default_rng(1).random(200) < 0.6, LABELS, np.array([1, 4, 0, 0, 0])[LABELS])


def test_equal_scikit_learns():
    assert value_of(accuracy(PREDICTED, LABELS)) == pytest.approx(accuracy_score(LABELS, PREDICTED))
    assert value_of(class_accuracy(PREDICTED, LABELS)) == pytest.approx(balanced_accuracy_score(LABELS, PREDICTED))


def test_draws_weigh_images_within_their_class():
    weights = np.random.default_rng(2).integers(0, 3, size=(4, 200)).astype(np.float64)
    expected = [balanced_accuracy_score(LABELS, PREDICTED, sample_weight=each) for each in weights]
    np.testing.assert_allclose(class_accuracy(PREDICTED, LABELS)(weights), expected)


def test_a_class_that_a_draw_has_not_is_left_out_of_it():
    found = class_accuracy(np.array([0, 0, 1]), np.array([0, 0, 2]))
    np.testing.assert_allclose(found(np.array([[1.0, 1, 1], [2, 1, 0]])), [0.5, 1.0])
