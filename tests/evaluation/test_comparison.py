"""A candidate and a champion on the same images."""

import numpy as np
import pytest
import torch

from dinov2.evaluation.comparison import figures
from dinov2.evaluation.config import EvaluateConfig, LinearConfig
from dinov2.evaluation.controls import PixelEncoder
from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.encoder import BackboneEncoder
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.paired import difference
from dinov2.evaluation.protocol import Labelled
from dinov2.evaluation.suite import encoders, evaluate, protocols

CPU = torch.device("cpu")
CONFIG = EvaluateConfig(resolution=32, linear=LinearConfig(iterations=40, batch=16))
JUDGES = protocols(CONFIG, 0, CPU)


@pytest.fixture
def extractor(reader, store):
    return Extractor(reader, store, threads=2)


def test_accuracies_are_those_of_the_evaluation_and_gains_those_of_each_image(backbone, manifest, extractor):
    sets = labelled_sets(manifest, ())
    candidate, champion = PixelEncoder(32), BackboneEncoder(backbone, 32, CPU)
    found = figures(sets.usable, candidate, champion, JUDGES, extractor)
    assert [each.name for each in found] == ["shapes.knn.accuracy", "shapes.linear.accuracy"]
    apart = evaluate(sets, encoders(backbone, 32, 0, CPU), JUDGES, extractor)["datasets"]["shapes"]["protocols"]
    for each, protocol in zip(found, ("knn", "linear"), strict=True):
        assert (each.images, each.candidate) == (16, apart[protocol]["pixels"]["accuracy"])
        assert each.champion == pytest.approx(apart[protocol]["model"]["accuracy"], abs=1e-6)
        assert each.gain == pytest.approx(each.candidate - each.champion)
    shapes = sets.usable[0]
    features = [extractor(candidate, rows, "") for rows in (shapes.train, shapes.test)]
    others = [extractor(champion, rows, "") for rows in (shapes.train, shapes.test)]
    labels = (shapes.train_labels, shapes.test_labels)
    right = [
        JUDGES[0](*(Labelled(part, own, 2) for part, own in zip(each, labels, strict=True))).correct
        for each in (features, others)
    ]
    assert found[0].difference == difference(*right)


def test_a_candidate_alone_has_accuracies_and_no_gains(manifest, extractor):
    found = figures(labelled_sets(manifest, ()).usable, PixelEncoder(32), None, JUDGES, extractor)
    assert [(each.candidate, each.champion, each.gain, each.difference) for each in found] == [
        (1, None, None, None)
    ] * 2


def test_equal_models_do_not_differ(manifest, extractor):
    found = figures(labelled_sets(manifest, ()).usable, PixelEncoder(32), PixelEncoder(32), JUDGES, extractor)
    np.testing.assert_array_equal([(each.gain, each.p) for each in found], [(0, 1), (0, 1)])
