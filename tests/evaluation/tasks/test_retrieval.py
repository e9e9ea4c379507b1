import cv2
import numpy as np
import pytest
import torch

from dinov2.evaluation.backbones import ImagePixels
from dinov2.evaluation.features import FolderImage, Square
from dinov2.evaluation.protocols.retrieval import InstanceRetrieval
from dinov2.evaluation.sets.task import Copies, Image, Level, Retrieval
from dinov2.evaluation.statistics import value_of
from dinov2.evaluation.tasks.copies import COPIES
from dinov2.evaluation.tasks.retrieval import RETRIEVAL
from tests.evaluation.sets.making import image

CPU = torch.device("cpu")
PLACES = 6


@pytest.fixture
def folder(tmp_path):
    """Places, and queries that show a place with some noise, within a larger image."""
    for number in range(PLACES):
        path = image(tmp_path / f"place{number}.png", 40, 40, number)
        pixels = cv2.imread(str(path))
        smooth = cv2.resize(pixels[:5, :5], (40, 40), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), smooth)
        large = np.full((60, 70, 3), 255, np.uint8)
        noise = np.random.default_rng(number).normal(0, 5, smooth.shape)
        large[8:48, 10:50] = np.clip(smooth + noise, 0, 255)
        cv2.imwrite(str(tmp_path / f"query{number}.png"), large)
    return tmp_path


def images(folder, kind, box=None):
    return tuple(Image(f"{kind}{number}.png", folder, box) for number in range(PLACES))


def test_a_query_is_seen_within_its_box_alone(folder, own, setting):
    none = (np.array([], np.int64),) * PLACES
    level = Level(tuple(np.array([number]) for number in range(PLACES)), none)
    boxed = Retrieval("places", images(folder, "query", (10, 8, 50, 48)), images(folder, "place"), {"all": level})
    found = RETRIEVAL.measure(boxed, own, ("retrieval",), setting)["retrieval"]
    assert value_of(found.statistics["map_all"]) == 1
    cls = [
        own.layers(np.stack([Square(32)(FolderImage(each).read(64)[0], "") for each in part]), 1)[0].cls.numpy()
        for part in (boxed.queries, boxed.database)
    ]
    by_hand = InstanceRetrieval(setting.config.retrieval, CPU)(*cls, boxed.levels, "places")
    for name, statistic in by_hand.statistics.items():
        np.testing.assert_array_equal(found.statistics[name].values_n, statistic.values_n)


def test_copies_are_found_and_pixels_are_a_control(folder, own, setting):
    truth = np.stack([np.arange(PLACES), np.arange(PLACES)], axis=1)
    task = Copies(
        "copies", images(folder, "query", (10, 8, 50, 48)), images(folder, "place"), truth, ("noise",) * PLACES
    )
    for backbone in (own, ImagePixels(8, CPU)):
        found = COPIES.measure(task, backbone, ("copies",), setting)["copies"]
        assert value_of(found.statistics["micro_ap"]) == 1
        assert found.details["copies"] == PLACES
    assert set(setting.clock.seconds) == {"features", "copies"}
