import cv2
import numpy as np
import pytest
import torch

from dinov2.errors import DataError
from dinov2.evaluation.backbones import OwnBackbone, PixelBackbone
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.pictures.of_tasks import collector, of_classes, of_pixels, of_retrieval, pairs
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.task import Copies
from dinov2.evaluation.tasks import Setting
from dinov2.evaluation.tasks.problem import of_folder
from tests.evaluation.sets.making import image, mask, text

CPU = torch.device("cpu")


@pytest.fixture
def setting(store) -> Setting:
    return Setting(EvaluateConfig(resolution=32, pca_resolution=48), Extractor(store, 1), 0, CPU)


@pytest.fixture
def backbones(backbone):
    return {"S": OwnBackbone(backbone, CPU), "pixels": PixelBackbone(8, CPU)}


def test_a_set_of_classes_has_all_pictures_under_its_name(shapes, backbones, setting):
    task = read_set(shapes / "shapes")
    found = {each.name: each for each in of_classes(of_folder(task), task.classes, backbones, setting)}
    assert list(found) == [
        f"shapes-{name}" for name in ("pca", "correspondence", "attention", "norms", "neighbours", "map")
    ]
    assert found["shapes-map"].title == "A map of the images: shapes"
    assert list(found["shapes-map"].legend) == ["bright", "dark"]
    assert list(found["shapes-map"].rows) == ["map: S", "map: pixels"]
    assert {name.partition(":")[0] for name in found["shapes-neighbours"].rows} == {f"query {n}" for n in range(1, 7)}
    assert found["shapes-neighbours"].note.endswith("pixels: 24 of 24 right")  # brightness tells the classes apart
    assert found["shapes-pca"].rows["photographs"].width == 4 * 256 + 3 * 8


def test_of_two_classes_two_images_each():
    assert pairs(np.array([0, 1, 1, 2, 3, 3, 1])) == [1, 2, 4, 5]
    assert pairs(np.array([5, 5, 5])) == [0, 1]
    assert pairs(np.array([0, 1, 2, 3, 4, 5])) == [0, 2, 3, 5]


def test_copies_are_shown_beside_what_they_are_copies_of(shapes, backbones, setting):
    images = tuple(read_set(shapes / "shapes").train.images)
    truth = np.array([[1, 1], [2, 2]])
    (found,) = of_retrieval(Copies("twins", images[:3], images, truth, ("",) * 3), backbones, setting)
    assert found.name == "twins-neighbours"
    # Each query is in the database itself, and is found first; that without a copy is not shown.
    assert {name.partition(":")[0] for name in found.rows} == {"query 1", "query 2"}
    assert found.note == "S: 2 of 8 right; pixels: 2 of 8 right"


def test_predictions_are_shown_beside_the_masks(tmp_path):
    for number in range(8):
        image(tmp_path / "images" / f"{number}.jpg", 30, 40, seed=number)
        mask(tmp_path / "masks" / f"{number}.png", np.full((30, 40), number % 2, np.uint8))
    text(tmp_path / "README.md", "Classes: 0=sky, 1=road.")
    task = read_set(tmp_path)
    watcher = collector(task)
    with pytest.raises(DataError, match=r"predictions of test images 0, .* were never seen"):
        of_pixels(task, {"linear": watcher})
    for number in range(len(task.test)):
        watcher(number, np.ones((30, 40), np.int64))
    (found,) = of_pixels(task, {"linear": watcher})
    assert found.name == f"{tmp_path.name}-segmentation"
    assert list(found.rows) == ["photographs", "truth", "predicted"]
    assert found.legend.keys() <= {"sky", "road"}


def test_depth_is_shown_beside_what_was_measured(tmp_path):
    for number in range(12):
        image(tmp_path / "rgb" / f"{number:03}.jpg", 30, 40, seed=number)
        (tmp_path / "depth").mkdir(exist_ok=True)
        assert cv2.imwrite(str(tmp_path / "depth" / f"{number:03}.png"), np.full((30, 40), 1000, np.uint16))
    task = read_set(tmp_path)
    kept = {name: collector(task) for name in ("lin.1", "DPT")}
    for metres, watcher in enumerate(kept.values(), 1):
        for number in range(len(task.test)):
            watcher(number, np.full((30, 40), metres, np.float32))
    (found,) = of_pixels(task, kept)
    assert list(found.rows) == ["photographs", "truth", "predicted: lin.1", "predicted: DPT"]
