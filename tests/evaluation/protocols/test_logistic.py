import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from dinov2.errors import DataError
from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.linear import held_out
from dinov2.evaluation.protocols.logistic import Logistic, LogisticConfig
from dinov2.evaluation.statistics import value_of
from tests.evaluation.protocols.clouds import clouds

CPU = torch.device("cpu")
CONFIG = LogisticConfig(lowest=-4, highest=2, values=7, tolerance=1e-6)
TRAIN, TEST = clouds(150, 5, 12, seed=0, spread=2.5), clouds(200, 5, 12, seed=1, spread=2.5)


def test_is_scikit_learn_with_c_chosen_on_the_same_held_out_images():
    held = held_out(TRAIN.labels_n, 0.1, seed=3)
    scores = {}
    for c in 10.0 ** np.linspace(-4, 2, 7):
        model = LogisticRegression(C=c, tol=1e-6, max_iter=1000).fit(TRAIN.inputs_nd[~held], TRAIN.labels_n[~held])
        right = model.predict_proba(TRAIN.inputs_nd[held])[np.arange(held.sum()), TRAIN.labels_n[held]]
        scores[c] = (model.score(TRAIN.inputs_nd[held], TRAIN.labels_n[held]), np.log(right).mean())
    best = max(scores, key=lambda c: scores[c])
    theirs = LogisticRegression(C=best, tol=1e-6, max_iter=1000).fit(TRAIN.inputs_nd, TRAIN.labels_n)
    found = Logistic(CONFIG, 3, CPU)(TRAIN, TEST, 5)
    assert found.details["c"] == pytest.approx(best)
    assert found.details["held_out_accuracy"] == scores[best][0]
    assert (found.details["held_out"], found.details["unfinished"]) == (held.sum(), 0)
    right = theirs.predict(TEST.inputs_nd) == TEST.labels_n
    np.testing.assert_array_equal(found.statistics["accuracy"].values_n, right)
    assert value_of(found.statistics["accuracy"]) > 0.5
    assert list(found.statistics) == ["accuracy", "class_accuracy"]


def test_the_published_grid_is_the_default():
    config = LogisticConfig()
    assert (config.lowest, config.highest, config.values, config.iterations, config.held_out) == (-6, 5, 45, 1000, 0.1)
    with pytest.raises(ValidationError):
        LogisticConfig(held_out=0)


def test_test_images_play_no_part_in_what_is_learnt():
    protocol = Logistic(CONFIG, 0, CPU)
    first, _ = protocol.learn(TRAIN, 5)
    again, details = protocol.learn(TRAIN, 5)
    assert torch.equal(first.weight_dc, again.weight_dc)
    assert protocol(TRAIN, TEST.take(np.arange(20)), 5).details == protocol(TRAIN, TEST, 5).details == details


def test_a_class_that_train_has_not_counts_as_an_error():
    unseen = Examples(TEST.inputs_nd, np.full(200, 5))
    assert value_of(Logistic(CONFIG, 0, CPU)(TRAIN, unseen, 5).statistics["accuracy"]) == 0.0


def test_one_image_of_each_class_leaves_none_to_hold_out():
    few = clouds(5, 5, 12, seed=0)
    found = Logistic(CONFIG, 0, CPU)(few, TEST, 5)
    assert found.details["held_out"] == 0
    assert found.details["held_out_accuracy"] == 1.0  # the training images themselves


@pytest.mark.parametrize(
    ("inputs", "labels", "fault"),
    [
        (np.zeros((0, 3)), np.zeros(0), "of 0 images and 0 labels"),
        (np.zeros((2, 3)), np.zeros(3), "of 2 images and 3 labels"),
        (np.full((2, 3), np.nan), np.zeros(2), "not finite"),
    ],
)
def test_examples_that_cannot_be_used_are_told(inputs, labels, fault):
    with pytest.raises(DataError, match=fault):
        Examples(inputs, labels)
