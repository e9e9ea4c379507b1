import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.metrics.segmentation import class_counts, segmentation
from dinov2.evaluation.statistics import interval, value_of

CLASSES, IGNORE = 5, 255


def images(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Predictions and masks; class 3 is only predicted, class 4 is nowhere, and a tenth is ignored."""
    generator = np.random.default_rng(0)
    found = []
    for number in range(count):
        truth = generator.integers(0, 3, size=(9, 7 + number)).astype(np.uint8)
        predicted = np.where(generator.random(truth.shape) < 0.7, truth, generator.integers(0, 4, truth.shape))
        truth[generator.random(truth.shape) < 0.1] = IGNORE
        found.append((predicted, truth))
    return found


def by_hand(pairs) -> tuple[float, float, float]:
    """Sets of pixels of all images, one class after another."""
    predicted = np.concatenate([each.ravel() for each, _ in pairs])
    truth = np.concatenate([each.ravel() for _, each in pairs])
    pixels = [(p, t) for p, t in zip(predicted.tolist(), truth.tolist(), strict=True) if t != IGNORE]
    ious, accuracies = [], []
    for label in range(CLASSES):
        both = sum(p == t == label for p, t in pixels)
        either = sum(label in (p, t) for p, t in pixels)
        true = sum(t == label for _, t in pixels)
        ious += [both / either] if either else []
        accuracies += [both / true] if true else []
    right = sum(p == t for p, t in pixels) / len(pixels)
    return float(np.mean(ious)), right, float(np.mean(accuracies))


def counted(pairs):
    return segmentation(class_counts(predicted, truth, CLASSES, IGNORE) for predicted, truth in pairs)


def test_equal_sets_of_pixels_pooled_over_images():
    found = {name: value_of(each) for name, each in counted(images(6)).items()}
    assert list(found) == ["miou", "pixel_accuracy", "class_accuracy"]
    assert tuple(found.values()) == pytest.approx(by_hand(images(6)), abs=1e-12)


def test_an_image_drawn_twice_counts_twice():
    pairs = images(4)
    weights = np.array([[2.0, 0, 1, 1]])
    drawn = by_hand([pairs[0], pairs[0], pairs[2], pairs[3]])
    assert tuple(each(weights)[0] for each in counted(pairs).values()) == pytest.approx(drawn, abs=1e-12)


def test_an_image_that_is_all_ignored_changes_nothing():
    blank = (np.zeros((4, 4), np.int64), np.full((4, 4), IGNORE, np.uint8))
    found = counted([*images(3), blank])
    assert value_of(found["miou"]) == pytest.approx(by_hand(images(3))[0])
    assert found["miou"].count == 4


def test_a_class_of_one_image_is_left_out_of_draws_without_it():
    rare = np.array([[0, 0], [0, 1]])
    found = segmentation([class_counts(rare, rare, 2, None), class_counts(rare * 0, rare * 0, 2, None)])["miou"]
    assert interval(found, seed=0).low == 1.0


@pytest.mark.parametrize(
    ("predicted", "truth", "fault"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"\(2, 3\) beside a mask of \(3, 2\)"),
        (np.zeros((1, 2)), np.array([[0, 9]]), "mask: label 9; allowed: 0 to 4, or 255, which is not counted"),
        (np.zeros((1, 2)), np.array([[0, -1]]), "mask: label -1; allowed"),
        (np.array([[7, 0]]), np.zeros((1, 2)), "predicted: label 7"),
    ],
)
def test_masks_that_do_not_fit_are_told(predicted, truth, fault):
    with pytest.raises(DataError, match=fault):
        class_counts(predicted, truth, CLASSES, IGNORE)


def test_no_image_is_told():
    with pytest.raises(DataError, match="of no image"):
        segmentation([])
