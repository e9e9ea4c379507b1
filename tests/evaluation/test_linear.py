import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dinov2.evaluation.config import LinearConfig
from dinov2.evaluation.encoder import ImageFeatures
from dinov2.evaluation.linear import LinearProbe, choose, held_out
from dinov2.evaluation.protocol import Labelled

CPU = torch.device("cpu")
SHORT = LinearConfig(iterations=60, batch=32)


def problem(count: int, classes: int = 4, width: int = 12, seed: int = 0) -> Labelled:
    """Clusters that a linear layer divides well but not wholly."""
    centres = np.random.default_rng(9).normal(size=(classes, 2 * width))
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    found = (centres[labels] + 1.6 * generator.normal(size=(count, 2 * width))).astype(np.float32)
    return Labelled(ImageFeatures(found[:, :width], found[:, width:]), labels, classes)


def tensors(part: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    joined = np.concatenate([part.features.cls, part.features.patch], axis=1)
    return torch.from_numpy(joined), torch.from_numpy(part.labels)


def test_accuracy_is_that_of_logistic_regression():
    train, test = problem(600, seed=1), problem(500, seed=2)
    outcome = LinearProbe(LinearConfig(iterations=600, batch=256), 0, CPU)(train, test)
    (inputs, labels), (asked, answers) = tensors(train), tensors(test)
    convex = LogisticRegression(C=1e4, max_iter=2000).fit(inputs.numpy(), labels.numpy())
    expected = convex.score(asked.numpy(), answers.numpy())
    assert 0.6 < expected < 0.99
    assert outcome.correct.mean() == pytest.approx(expected, abs=0.03)
    assert outcome.correct.shape == (500,)


def test_the_rate_is_chosen_without_the_test_images():
    train, test = problem(200, seed=1), problem(100, seed=2)
    wrong = Labelled(test.features, (test.labels + 1) % 4, 4)
    probe = LinearProbe(SHORT, 0, CPU)
    right_way, wrong_way = probe(train, test), probe(train, wrong)
    assert right_way.details == wrong_way.details
    assert right_way.correct.mean() > 0.5 > wrong_way.correct.mean()


def test_single_images_of_a_class_stay_in_training():
    train = problem(4, seed=1)
    train = Labelled(train.features, np.arange(4), 4)
    outcome = LinearProbe(SHORT, 0, CPU)(train, train)
    assert outcome.details["held_out"] == 0
    assert outcome.correct.all()


def test_pixels_have_no_patch_features():
    train = problem(60)
    bare = Labelled(ImageFeatures(train.features.cls, np.zeros((60, 0), np.float32)), train.labels, 4)
    assert LinearProbe(SHORT, 0, CPU)(bare, bare).correct.mean() > 0.5


def test_held_out_is_a_share_of_every_class_and_repeats():
    labels = np.repeat([0, 1, 2, 3], [100, 20, 2, 1])
    held = held_out(labels, 0.1, seed=0)
    assert [int(held[labels == label].sum()) for label in range(4)] == [10, 2, 1, 0]
    np.testing.assert_array_equal(held, held_out(labels, 0.1, seed=0))
    assert (held != held_out(labels, 0.1, seed=1)).any()


def test_of_equal_accuracies_the_lower_loss_is_chosen_and_divergence_never():
    nan = float("nan")
    assert choose(torch.tensor([0.5, 0.8, 0.8, 0.8]), torch.tensor([1.0, 0.7, 0.4, nan])) == 2
    assert choose(torch.tensor([0.0, 0.0]), torch.tensor([nan, nan])) == 0
