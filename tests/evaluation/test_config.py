from pathlib import Path

import pytest

from dinov2.config import parse, read_yaml
from dinov2.errors import ConfigError
from dinov2.evaluation.config import EvaluateConfig

QUICK = Path(__file__).parents[2] / "docs" / "quick_evaluation.yaml"


def test_what_is_published_is_what_is_done_unless_told_otherwise():
    config = EvaluateConfig()
    assert config.resolution == 224
    assert config.knn.neighbours == (10, 20, 100, 200)
    assert (config.linear.iterations, config.linear.batch) == (12_500, 1024)
    assert (config.segmentation.iterations, config.segmentation.resolution) == (40_000, 512)
    assert (config.segmentation.ms_resolution, config.segmentation.ms_scales) == (640, (1.0, 1.32, 1.73))
    assert (config.depth.iterations, config.depth.resolution, config.depth.bins) == (38_400, 480, 256)


def test_the_quick_parameters_are_allowed_and_shorter():
    quick, published = parse(EvaluateConfig, read_yaml(QUICK), QUICK.name), EvaluateConfig()
    assert quick.resolution == published.resolution
    for name in ("linear", "segmentation", "depth", "video"):
        assert getattr(quick, name).iterations < getattr(published, name).iterations


def test_a_misspelt_parameter_is_named_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"x.yaml: depth.iteration: no such parameter; allowed here: batch, bins"):
        parse(EvaluateConfig, {"depth": {"iteration": 3}}, "x.yaml")
