import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.linear import LinearConfig, LinearProbe, Reading, choose, held_out
from dinov2.evaluation.statistics import value_of

CPU = torch.device("cpu")
SHORT = LinearConfig(iterations=60, batch=32)


def problem(count: int, classes: int = 4, width: int = 24, seed: int = 0) -> Examples:
    """Clusters that a linear layer divides well but not wholly."""
    centres = np.random.default_rng(9).normal(size=(classes, width))
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    return Examples((centres[labels] + 1.6 * generator.normal(size=(count, width))).astype(np.float32), labels)


def accuracy(answer) -> float:
    return value_of(answer.statistics["accuracy"])


def test_accuracy_is_that_of_logistic_regression():
    train, test = problem(600, seed=1), problem(500, seed=2)
    answer = LinearProbe(LinearConfig(iterations=600, batch=256), 0, CPU)(train, test, 4)
    convex = LogisticRegression(C=1e4, max_iter=2000).fit(train.inputs_nd, train.labels_n)
    expected = convex.score(test.inputs_nd, test.labels_n)
    assert 0.6 < expected < 0.99
    assert accuracy(answer) == pytest.approx(expected, abs=0.03)
    assert answer.statistics["accuracy"].count == 500


def test_the_rate_is_chosen_without_the_test_images():
    train, test = problem(200, seed=1), problem(100, seed=2)
    wrong = Examples(test.inputs_nd, (test.labels_n + 1) % 4)
    probe = LinearProbe(SHORT, 0, CPU)
    right_way, wrong_way = probe(train, test, 4), probe(train, wrong, 4)
    assert right_way.details == wrong_way.details
    assert accuracy(right_way) > 0.5 > accuracy(wrong_way)


def test_single_images_of_a_class_stay_in_training():
    train = Examples(problem(4, seed=1).inputs_nd, np.arange(4))
    answer = LinearProbe(SHORT, 0, CPU)(train, train, 4)
    assert answer.details["held_out"] == 0
    assert accuracy(answer) == 1


def test_the_reading_that_tells_more_is_chosen_and_named():
    train, test = problem(300, seed=1), problem(200, seed=2)
    noise = [
        np.random.default_rng(seed).normal(size=(len(each.labels_n), 24)) for seed, each in enumerate((train, test))
    ]
    beside = [
        Examples(np.concatenate([each.inputs_nd, other], axis=1).astype(np.float32), each.labels_n)
        for each, other in zip((train, test), noise, strict=True)
    ]
    readings = [Reading(slice(24, 48), {"layers": 4}), Reading(slice(0, 24), {"layers": 1})]
    found = LinearProbe(SHORT, 0, CPU)(*beside, 4, readings)
    assert found.details["layers"] == 1
    alone = LinearProbe(SHORT, 0, CPU)(train, test, 4)
    assert found.details["learning_rate"] == alone.details["learning_rate"]
    assert accuracy(found) == accuracy(alone)


def test_a_classifier_answers_among_the_classes_it_is_told():
    train, test = problem(300, seed=1), problem(200, seed=2)
    classifier, _ = LinearProbe(SHORT, 0, CPU).learn(train, 4)
    free, told = classifier.predicted(test.inputs_nd), classifier.predicted(test.inputs_nd, (0, 2))
    assert set(told.tolist()) == {0, 2}
    kept = np.isin(free, (0, 2))
    np.testing.assert_array_equal(told[kept], free[kept])


def test_held_out_is_a_share_of_every_class_and_repeats():
    labels = np.repeat([0, 1, 2, 3], [100, 20, 2, 1])
    held = held_out(labels, 0.1, seed=0)
    assert [int(held[labels == label].sum()) for label in range(4)] == [10, 2, 1, 0]
    np.testing.assert_array_equal(held, held_out(labels, 0.1, seed=0))
    assert (held != held_out(labels, 0.1, seed=1)).any()


def test_of_equal_accuracies_the_lower_loss_is_chosen_and_divergence_never():
    nan = float("nan")
    assert choose(torch.tensor([0.5, 0.8, 0.8, 0.8]), torch.tensor([1.0, 0.7, 0.4, nan])) == 2
    assert choose(torch.tensor([0.6, 0.5]), torch.tensor([nan, 1.0])) == 1  # it answers the first class always
    assert choose(torch.tensor([0.0, 0.0]), torch.tensor([nan, nan])) == 0
