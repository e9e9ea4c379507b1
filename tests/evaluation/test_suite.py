import numpy as np
import pyarrow as pa
import pytest
import torch

from dinov2.evaluation.config import EvaluateConfig, LinearConfig
from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.intervals import wilson
from dinov2.evaluation.suite import encoders, evaluate, protocols
from dinov2.storage import Store

CPU = torch.device("cpu")
CONFIG = EvaluateConfig(resolution=32, linear=LinearConfig(iterations=40, batch=16))


@pytest.fixture
def metrics(backbone, manifest, reader, store):
    sets = labelled_sets(manifest, ())
    extractor = Extractor(reader, store, threads=2)
    return evaluate(sets, encoders(backbone, 32, 0, CPU), protocols(CONFIG, 0, CPU), extractor)


def test_every_protocol_judges_the_model_and_its_controls(metrics):
    assert metrics["labelled_sets"] == 1
    shapes = metrics["datasets"]["shapes"]
    assert (shapes["classes"], shapes["train"], shapes["test"], shapes["chance"]) == (2, 32, 16, 0.5)
    assert shapes["unseen_classes"] == shapes["unseen_images"] == 0
    assert set(shapes["protocols"]) == {"knn", "linear"}
    for scores in shapes["protocols"].values():
        assert set(scores) == {"model", "random", "pixels"}
        assert scores["pixels"]["accuracy"] == 1.0  # the classes differ in brightness of the middle
        for score in scores.values():
            low, high = wilson(round(16 * score["accuracy"]), 16)
            assert (score["low"], score["high"]) == pytest.approx((low, high), abs=1e-6)


def test_images_of_a_class_without_training_images_count_as_errors(backbone, manifest, reader, store):
    rows = [row for row in manifest.to_pylist() if row["label"] == "bright" or row["split"] == "test"]
    third = [row | {"label": "third"} for row in rows if row["split"] == "train"][:8]
    renamed = [row for row in rows if row["key"] not in {each["key"] for each in third}] + third
    sets = labelled_sets(manifest.from_pylist(renamed, schema=manifest.schema), ())
    extractor = Extractor(reader, store, threads=2)
    found = evaluate(sets, encoders(backbone, 32, 0, CPU), protocols(CONFIG, 0, CPU), extractor)["datasets"]["shapes"]
    assert (found["classes"], found["unseen_classes"], found["unseen_images"]) == (3, 1, 8)
    for scores in found["protocols"].values():
        assert all(score["accuracy"] <= 0.5 for score in scores.values())


def test_without_labels_the_metrics_say_so(backbone, manifest, reader, store):
    bare = manifest.set_column(9, manifest.schema.field("label"), pa.nulls(len(manifest), pa.string()))
    extractor = Extractor(reader, store, threads=2)
    found = evaluate(labelled_sets(bare, ()), encoders(backbone, 32, 0, CPU), protocols(CONFIG, 0, CPU), extractor)
    assert found == {"labelled_sets": 0, "skipped": {}, "datasets": {}}


def test_metrics_repeat(metrics, backbone, manifest, reader, tmp_path):
    extractor = Extractor(reader, Store(str(tmp_path / "another")), threads=1)
    again = evaluate(labelled_sets(manifest, ()), encoders(backbone, 32, 0, CPU), protocols(CONFIG, 0, CPU), extractor)
    assert again == metrics
    assert all(np.isfinite(score["accuracy"]) for score in again["datasets"]["shapes"]["protocols"]["knn"].values())
