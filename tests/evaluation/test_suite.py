import numpy as np
import pyarrow as pa
import pytest
import torch

from dinov2.evaluation.backbones import OwnBackbone
from dinov2.evaluation.config import EvaluateConfig, LinearConfig
from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.measure import controls_of
from dinov2.evaluation.statistics import Mean, interval
from dinov2.evaluation.suite import PROTOCOLS, judge, metrics
from dinov2.evaluation.tasks import Setting, classification
from dinov2.evaluation.tasks.problem import of_manifest
from dinov2.storage import Store

CPU = torch.device("cpu")
CONFIG = EvaluateConfig(resolution=32, linear=LinearConfig(iterations=40, batch=16))


@pytest.fixture
def setting(store):
    return Setting(CONFIG, Extractor(store, threads=2), 0, CPU)


def evaluate(sets, backbone, reader, setting):
    return metrics(sets, judge(sets.usable, OwnBackbone(backbone, CPU), reader, setting), 0)


@pytest.fixture
def found(backbone, manifest, reader, setting):
    return evaluate(labelled_sets(manifest, ()), backbone, reader, setting)


def test_every_protocol_judges_the_model_and_its_controls(found, backbone, manifest, reader, setting):
    assert found["labelled_sets"] == 1
    shapes = found["datasets"]["shapes"]
    assert (shapes["classes"], shapes["train"], shapes["test"], shapes["chance"]) == (2, 32, 16, 0.5)
    assert shapes["unseen_classes"] == shapes["unseen_images"] == 0
    assert set(shapes["protocols"]) == {"knn", "linear"}
    (dataset,) = labelled_sets(manifest, ()).usable
    model, problem = OwnBackbone(backbone, CPU), of_manifest(dataset, reader)
    for who, judged in {"model": model, **controls_of(problem, model, setting)}.items():
        for protocol, answer in classification.measure(problem, judged, PROTOCOLS, setting).items():
            score, right = shapes["protocols"][protocol][who], answer.statistics["accuracy"]
            assert isinstance(right, Mean)
            expected = interval(right, 0)
            scored = (score["accuracy"], score["low"], score["high"])
            assert scored == pytest.approx((expected.value, expected.low, expected.high), abs=1e-6)
    for scores in shapes["protocols"].values():
        assert set(scores) == {"model", "random", "pixels"}
        assert scores["pixels"]["accuracy"] == 1.0  # the classes differ in brightness of the middle


def test_images_of_a_class_without_training_images_count_as_errors(backbone, manifest, reader, setting):
    rows = [row for row in manifest.to_pylist() if row["label"] == "bright" or row["split"] == "test"]
    third = [row | {"label": "third"} for row in rows if row["split"] == "train"][:8]
    renamed = [row for row in rows if row["key"] not in {each["key"] for each in third}] + third
    sets = labelled_sets(manifest.from_pylist(renamed, schema=manifest.schema), ())
    found = evaluate(sets, backbone, reader, setting)["datasets"]["shapes"]
    assert (found["classes"], found["unseen_classes"], found["unseen_images"]) == (3, 1, 8)
    for scores in found["protocols"].values():
        assert all(score["accuracy"] <= 0.5 for score in scores.values())


def test_without_labels_the_metrics_say_so(backbone, manifest, reader, setting):
    bare = manifest.set_column(9, manifest.schema.field("label"), pa.nulls(len(manifest), pa.string()))
    found = evaluate(labelled_sets(bare, ()), backbone, reader, setting)
    assert found == {"labelled_sets": 0, "skipped": {}, "datasets": {}}


def test_metrics_repeat(found, backbone, manifest, reader, tmp_path):
    setting = Setting(CONFIG, Extractor(Store(str(tmp_path / "another")), threads=1), 0, CPU)
    again = evaluate(labelled_sets(manifest, ()), backbone, reader, setting)
    assert again == found
    assert all(np.isfinite(score["accuracy"]) for score in again["datasets"]["shapes"]["protocols"]["knn"].values())
