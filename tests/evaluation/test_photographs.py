"""Every kind of task on real photographs, where these are at hand."""

import numpy as np
import pytest
import torch

from dinov2.evaluation.backbones import OwnBackbone
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.measure import measure
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.tasks import Setting
from dinov2.models import create_model

CPU = torch.device("cpu")
SHORT = {
    "resolution": 64,
    "linear": {"iterations": 30, "batch": 64},
    "segmentation": {"resolution": 64, "iterations": 30, "batch": 4, "pixels": 256, "rates": [0.003]},
    "depth": {"resolution": 64, "iterations": 30, "batch": 4, "bins": 32, "rates": [0.003]},
}


@pytest.fixture
def setting(store):
    return Setting(EvaluateConfig.model_validate(SHORT), Extractor(store, threads=2), 0, CPU)


@pytest.fixture
def model():
    torch.manual_seed(7)
    return OwnBackbone(create_model("vit_tiny", img_size=64, patch_size=16, depth=2, layerscale=1.0), CPU)


def check(rows, name, protocol, metric, count):
    first = rows[0]
    assert (first.dataset, first.protocol, first.metric, first.count) == (name, protocol, metric, count)
    for row in rows:
        assert np.isfinite([row.value, row.low, row.high]).all()
        assert row.low <= row.value <= row.high


@pytest.mark.parametrize(
    ("name", "protocol", "metric", "count"),
    [("coco200seg", "segmentation", "miou", 56), ("redkitchen_depth", "depth", "rmse", 32)],
)
def test_pixels_of_a_set_are_judged(real_photographs, name, protocol, metric, count, model, setting):
    found = measure(read_set(real_photographs(name)), model, (protocol,), setting, {})
    check(found.rows(seed=0), name, protocol, metric, count)


def test_places_are_found_beside_the_controls(real_photographs, model, setting):
    rows = measure(read_set(real_photographs("corridor_places")), model, (), setting).rows(seed=0)
    check(rows, "corridor_places", "retrieval", "map_all", 66)
    by_metric = {row.metric: row for row in rows}
    assert by_metric["recall_at_10_all"].controls["pixels"].low > 10 / 66  # as often as by chance
    assert set(rows[0].controls) == {"random", "pixels"}
