import cv2
import numpy as np
import pytest
import torch

from dinov2.errors import ConfigError
from dinov2.evaluation.backbones import ImagePixels
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.corruptions import corrupt
from dinov2.evaluation.features import FolderImage, Square
from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.knn import Knn
from dinov2.evaluation.protocols.linear import LinearProbe
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.statistics import value_of
from dinov2.evaluation.tasks.classification import CLASSIFICATION, LEARNS
from dinov2.evaluation.tasks.inputs import readings, side_by_side
from dinov2.evaluation.tasks.kind import FEATURES
from tests.evaluation.conftest import picture

CPU = torch.device("cpu")


@pytest.fixture
def task(shapes):
    """2 × 24 images, a fifth of them for testing."""
    return read_set(shapes / "shapes")


@pytest.fixture
def shifted(tmp_path):
    """Training images of two classes, and two other sets: one of both classes in grey, one that has one alone."""
    for label in ("bright", "dark"):
        for number in range(16):
            image = picture(label, number)
            name = "train" if number < 10 else "grey"
            path = tmp_path / "set" / name / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image if name == "train" else image.mean(axis=2).astype(np.uint8))
            if number >= 14 and label == "dark":
                other = tmp_path / "set" / "part" / label / f"{number}.png"
                other.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(other), picture("bright", number))  # which nobody would call dark
    return read_set(tmp_path / "set")


def test_every_protocol_answers_and_its_time_is_counted(task, own, setting):
    asked = (*LEARNS, "corruptions")
    found = CLASSIFICATION.measure(task, own, asked, setting)
    assert tuple(found) == asked
    assert set(setting.clock.seconds) == {FEATURES, *asked}
    test = len(task.tests["test"].labels)
    for name in ("knn", "linear", "logistic"):
        assert set(found[name].statistics) == {"accuracy", "class_accuracy"}
        assert found[name].statistics["accuracy"].count == test
    assert set(found["fewshot"].statistics) == {"accuracy_1", "accuracy_2"}
    assert set(found["corruptions"].statistics) == {"accuracy", "accuracy_contrast", "accuracy_pixelate"}


def test_answers_are_those_of_the_protocols_on_features_by_hand(task, own, setting):
    found = CLASSIFICATION.measure(task, own, ("knn", "linear"), setting)
    cls, joined = [], []
    for part in (task.train, task.tests["test"]):
        views = [Square(32)(FolderImage(image).read(64)[0], "") for image in part.images]
        layers = own.layers(np.stack(views), 2)
        cls.append(Examples(layers[1].cls.numpy(), part.labels))
        patch = layers[1].patches.mean((1, 2))
        joined.append(Examples(torch.cat([layers[0].cls, layers[1].cls, patch], dim=1).numpy(), part.labels))
    by_hand = Knn(setting.config.knn, CPU)(*cls, 2)
    np.testing.assert_array_equal(found["knn"].statistics["accuracy"].values_n, by_hand.statistics["accuracy"].values_n)
    requests = CLASSIFICATION.requests(task, own, ("linear",), setting.config)
    tried = readings(setting.extractor.images(own, requests["train"]))
    by_hand = LinearProbe(setting.config.linear, 0, CPU)(*joined, 2, tried)
    assert found["linear"].details == by_hand.details
    np.testing.assert_array_equal(
        found["linear"].statistics["accuracy"].values_n, by_hand.statistics["accuracy"].values_n
    )


def test_the_linear_probe_tries_one_and_all_layers_with_and_without_the_mean_patch(task, own, setting):
    request = CLASSIFICATION.requests(task, own, ("linear",), setting.config)["train"]
    features = setting.extractor.images(own, request)
    inputs = side_by_side(features)
    tried = {(each.facts["layers"], each.facts["mean_patch"]): inputs[:, each.columns] for each in readings(features)}
    first, last, patch = features.cls_nld[:, 0], features.cls_nld[:, 1], features.patch_nd
    expected = {
        (1, False): [last], (1, True): [last, patch], (2, False): [first, last], (2, True): [first, last, patch]
    }  # fmt: skip
    assert tried.keys() == expected.keys()
    for key, parts in expected.items():
        np.testing.assert_array_equal(tried[key], np.concatenate(parts, axis=1))


def test_corruptions_are_of_the_input_and_without_any_the_accuracy_is_the_probes(task, own, setting):
    requests = CLASSIFICATION.requests(task, own, ("corruptions",), setting.config)
    name = "corrupted pixelate/5"
    assert {"train", "test", "corrupted contrast/1", "corrupted contrast/5", "corrupted pixelate/1", name} == set(
        requests
    )
    item = requests[name].items[0]
    pixels = item.read(64)[0]
    np.testing.assert_array_equal(
        requests[name].view(pixels, item.key), corrupt(Square(32)(pixels, item.key), "pixelate", 5, item.key)
    )
    found = CLASSIFICATION.measure(task, own, ("linear", "corruptions"), setting)
    assert found["corruptions"].details["clean"] == value_of(found["linear"].statistics["accuracy"])


def test_sets_that_share_classes_are_told_apart_and_answers_are_among_theirs(shifted, setting):
    pixels = ImagePixels(8, CPU)
    assert CLASSIFICATION.fitting(shifted) == ("robustness",)
    found = CLASSIFICATION.measure(shifted, pixels, ("robustness",), setting)["robustness"]
    assert {name: each.count for name, each in found.statistics.items()} == {"accuracy_grey": 12, "accuracy_part": 2}
    assert value_of(found.statistics["accuracy_grey"]) == 1
    assert value_of(found.statistics["accuracy_part"]) == 1  # dark is all that an answer may be


def test_protocols_that_fit_follow_from_the_tests(task):
    assert CLASSIFICATION.fitting(task) == (*LEARNS, "corruptions")
    assert CLASSIFICATION.usual(task) == LEARNS


def test_a_resolution_that_patches_do_not_tile_is_refused(task, own):
    with pytest.raises(ConfigError, match=r"evaluate.resolution: 36 is not a multiple of the patch, 8; near: 32, 40"):
        CLASSIFICATION.requests(task, own, ("knn",), EvaluateConfig(resolution=36))
