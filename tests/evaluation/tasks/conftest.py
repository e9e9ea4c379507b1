"""A setting with short trainings, and backbones that see enough."""

import pytest
import torch

from dinov2.evaluation.backbones import OwnBackbone
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.tasks import Setting

CONFIG = {
    "resolution": 32,
    "linear": {"iterations": 40, "batch": 16},
    "video": {"iterations": 40, "batch": 8},
    "logistic": {"lowest": -2, "highest": 2, "values": 3},
    "fewshot": {"shots": [1, 2], "draws": 2},
    "robustness": {"corruptions": ["contrast", "pixelate"], "severities": [1, 5]},
    "segmentation": {
        "resolution": 32, "ms_resolution": 40, "ms_scales": [1.0, 1.5], "iterations": 60, "batch": 2, "pixels": 64,
        "rates": [0.01],
    },
    "depth": {"resolution": 32, "iterations": 40, "batch": 2, "bins": 16, "fusion": 8, "rates": [0.02]},
}  # fmt: skip


@pytest.fixture
def setting(store):
    config = EvaluateConfig.model_validate(CONFIG)
    return Setting(config, Extractor(store, threads=2), 0, torch.device("cpu"))


@pytest.fixture(scope="session")
def own(backbone):
    return OwnBackbone(backbone, torch.device("cpu"))
