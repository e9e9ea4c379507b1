"""A candidate and a champion on the same images."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dinov2.evaluation import statistics
from dinov2.evaluation.backbones import ImagePixels, OwnBackbone
from dinov2.evaluation.comparison import figures
from dinov2.evaluation.config import EvaluateConfig, LinearConfig
from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.measure import measure
from dinov2.evaluation.paired import difference
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.statistics import Mean, value_of
from dinov2.evaluation.suite import PROTOCOLS
from dinov2.evaluation.tasks import TASKS, Setting
from dinov2.evaluation.tasks.problem import of_manifest

CPU = torch.device("cpu")
CONFIG = EvaluateConfig(resolution=32, linear=LinearConfig(iterations=40, batch=16))
PIXELS = ImagePixels(8, CPU)


@pytest.fixture
def setting(store):
    return Setting(CONFIG, Extractor(store, threads=2), 0, CPU)


@pytest.fixture
def tasks(manifest, reader):
    return [(of_manifest(each, reader), PROTOCOLS) for each in labelled_sets(manifest, ()).usable]


def test_accuracies_are_those_of_the_evaluation_and_gains_those_of_each_image(backbone, tasks, setting):
    champion = OwnBackbone(backbone, CPU)
    found = figures(tasks, PIXELS, champion, setting)
    assert [each.name for each in found] == ["shapes.knn.accuracy", "shapes.linear.accuracy"]
    apart = measure(tasks[0][0], champion, PROTOCOLS, setting, {"pixels": PIXELS}).answers
    for each, protocol in zip(found, PROTOCOLS, strict=True):
        ours, theirs = (apart[who][protocol].statistics["accuracy"] for who in ("pixels", "model"))
        assert (each.images, each.candidate, each.champion) == (16, value_of(ours), value_of(theirs))
        assert each.difference == difference(ours.values_n, theirs.values_n)
        assert each.verdict is None


def test_a_candidate_alone_has_accuracies_and_no_gains(tasks, setting):
    found = figures(tasks, PIXELS, None, setting)
    assert [(each.candidate, each.champion, each.gain, each.difference) for each in found] == [
        (1, None, None, None)
    ] * 2


def test_equal_models_do_not_differ(tasks, setting):
    found = figures(tasks, PIXELS, PIXELS, setting)
    np.testing.assert_array_equal([(each.gain, each.p) for each in found], [(0, 1), (0, 1)])


def test_a_set_in_a_folder_has_all_its_metrics(shapes, setting):
    found = {each.name: each for each in figures([(read_set(shapes / "shapes"), ("knn",))], PIXELS, PIXELS, setting)}
    assert found.keys() == {"shapes.knn.accuracy", "shapes.knn.class_accuracy"}
    assert found["shapes.knn.accuracy"].p == 1
    assert (found["shapes.knn.class_accuracy"].verdict, found["shapes.knn.class_accuracy"].p) == ("cannot tell", None)


class Named(ImagePixels):
    """Told from others by its digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(8, CPU)
        self.digest = digest


def test_of_an_error_a_gain_is_that_there_is_less(shapes, setting, monkeypatch):
    task, generator = read_set(shapes / "shapes"), np.random.default_rng(0)
    ours = generator.uniform(0.2, 0.4, 40)
    errors = {"ours": ours, "theirs": ours + generator.uniform(0.05, 0.15, 40)}

    def made_up(_, model, *__):
        return {"knn": Answer({"rmse": Mean(errors[model.digest])})}

    monkeypatch.setitem(TASKS, type(task), replace(TASKS[type(task)], measure=made_up))
    found = [
        figures([(task, ("knn",))], Named(candidate), Named(champion), setting)[0]
        for candidate, champion in (("ours", "theirs"), ("theirs", "ours"))
    ]
    by = statistics.difference(Mean(errors["ours"]), Mean(errors["theirs"]), 0, higher_is_better=False)
    assert by.value < 0
    assert [(each.gain, each.low, each.high, each.verdict) for each in found] == [
        (-by.value, -by.high, -by.low, "better"), (by.value, by.low, by.high, "worse")
    ]  # fmt: skip
