"""A model and its controls on real files, and the rows of the table."""

import numpy as np
import pytest
import torch

from dinov2.errors import ConfigError
from dinov2.evaluation.backbones import ImagePixels, OwnBackbone, open_backbone
from dinov2.evaluation.config import EvaluateConfig, LinearConfig
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.measure import controls_of, fill, measure, protocols_of
from dinov2.evaluation.measured import Measured, mean_over
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.task import Clip, Video
from dinov2.evaluation.statistics import Mean
from dinov2.evaluation.tasks import Setting

CPU = torch.device("cpu")
CONFIG = EvaluateConfig(resolution=32, linear=LinearConfig(iterations=40, batch=16))


@pytest.fixture
def setting(store):
    return Setting(CONFIG, Extractor(store, threads=2), 3, CPU)


@pytest.fixture
def task(shapes):
    return read_set(shapes / "shapes")


@pytest.fixture
def own(backbone):
    return OwnBackbone(backbone, CPU)


def test_rows_have_the_model_beside_its_controls(task, own, setting):
    found = measure(task, own, ("knn",), setting)
    assert set(found.seconds) == {"model", "random", "pixels"}
    assert all(set(own) == {"features", "knn"} for own in found.seconds.values())
    first, second = found.rows(seed=0)
    assert (first.dataset, first.protocol, first.metric, first.count) == ("shapes", "knn", "accuracy", 10)
    assert set(first.controls) == {"random", "pixels"}
    assert first.controls["pixels"].value == 1
    assert first.low <= first.value <= first.high
    assert first.details["k20"] == first.value
    assert (second.metric, second.details) == ("class_accuracy", {})
    assert first.published is None


def test_processes_that_shared_out_the_features_leave_nothing_to_make(task, own, setting, monkeypatch):
    monkeypatch.setattr("dinov2.evaluation.features.request.PART", 8)
    for rank in range(3):
        fill(task, own, ("knn",), setting, rank, 3)
    made = sorted(setting.extractor.store.list("features"))
    rows = measure(task, own, ("knn",), setting).rows(seed=0)
    assert sorted(setting.extractor.store.list("features")) == made
    assert len(made) == 2 * 3 * (5 + 2)  # with their checksums: of three backbones 38 training and 10 test images
    assert rows[0].count == 10


def test_what_was_measured_repeats(task, own, setting):
    first, again = (measure(task, own, ("knn", "linear"), setting).rows(seed=0) for _ in range(2))
    assert first == again


class Blind(ImagePixels):
    """Sees the same in every image."""

    digest = "blind"

    def layers(self, images, blocks):
        return super().layers(np.full_like(images, 7), blocks)


def test_no_verdict_is_given_over_few_images_however_clear_it_looks(task, setting):
    (row, _) = measure(task, Blind(8, CPU), ("knn",), setting, {"pixels": ImagePixels(8, CPU)}).rows(seed=0)
    assert (row.value, row.controls["pixels"].value, row.verdict) == (0.5, 1, "cannot tell")


def test_a_protocol_that_does_not_fit_is_refused_with_those_that_do(task):
    with pytest.raises(
        ConfigError, match=r"protocol 'depth': not for shapes, a set of classification; allowed: knn, linear"
    ):
        protocols_of(task, ["knn", "depth"])
    assert protocols_of(task, ["linear", "knn", "linear"]) == ("linear", "knn")
    assert protocols_of(task, []) == ("knn", "linear", "logistic", "fewshot")


def test_the_random_control_is_not_the_model_even_where_that_is_random(task, setting):
    model = open_backbone("random:vit_tiny_patch16", setting.seed, CPU)
    assert controls_of(task, model, setting)["random"].digest != model.digest


def test_clips_have_no_control_of_pixels_and_pixels_none_of_random_weights(task, own, setting, tmp_path):
    clip, label = (Clip("x", tmp_path / "x.avi"),), np.zeros(1, np.int64)
    video = Video("clips", ("a", "b"), 2, clip, label, clip, label, "given")
    assert set(controls_of(video, own, setting)) == {"random"}
    assert set(controls_of(task, ImagePixels(8, CPU), setting)) == {"pixels"}


def answered(**right):
    """Answers of one protocol by who gave them."""
    return {who: {"knn": Answer({"accuracy": Mean(np.array(each, float))})} for who, each in right.items()}


def test_the_mean_over_sets_weighs_sets_alike_and_keeps_controls():
    large = Measured("large", answered(model=[1] * 90 + [0] * 10, random=[0] * 100), {})
    small = Measured("small", answered(model=[1] * 10 + [0] * 10, random=[1] * 5 + [0] * 15), {})
    found = mean_over([large, small])
    assert found
    (row,) = found.rows(seed=0)
    assert (row.dataset, row.protocol, row.metric, row.count) == ("mean", "knn", "accuracy", 120)
    assert row.value == pytest.approx((0.9 + 0.5) / 2)
    assert row.controls["random"].value == pytest.approx(0.25 / 2)
    assert row.verdict == "better"


def test_sets_that_share_nothing_have_no_mean():
    one = Measured("one", answered(model=[1, 0]), {})
    other = Measured("other", {"model": {"linear": Answer({"accuracy": Mean(np.ones(3))})}}, {})
    assert mean_over([one, other]) is None
