import numpy as np

from dinov2.evaluation.controls import chance


def test_chance_is_the_largest_training_class():
    train, test = np.array([2, 2, 1, 0, 2]), np.array([2, 0, 1, 1])
    assert chance(train, test) == 0.25
    assert chance(np.array([1, 0]), test) == 0.25  # of equals the lower class
