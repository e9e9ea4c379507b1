from pathlib import Path

import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.sets import LAYOUTS, read_set
from dinov2.evaluation.sets.depth.maps import read_judged
from dinov2.evaluation.sets.segmentation.masks import read_mask
from dinov2.evaluation.sets.task import IGNORE
from tests.evaluation.sets.making import image


def test_an_unknown_layout_lists_those_that_are_known(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(DataError, match="laid out in none of the known ways") as raised:
        read_set(tmp_path)
    assert all(name in str(raised.value) for name in LAYOUTS)
    with pytest.raises(DataError, match="layout 'coco'; allowed: "):
        read_set(tmp_path, "coco")
    with pytest.raises(DataError, match="no such folder"):
        read_set(tmp_path / "missing")


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "folders"])
def test_a_folder_that_is_not_laid_out_as_it_is_said_to_be_is_refused_in_words(tmp_path, layout):
    for label in ("cats", "dogs"):
        for number in range(3):
            image(tmp_path / "pets" / label / f"{number}.png", seed=number)
    with pytest.raises(DataError, match="pets"):
        read_set(tmp_path / "pets", layout)


@pytest.mark.parametrize(("name", "classes", "count"), [("clothing10", 10, 1323), ("caltech101", 100, 1599)])
def test_real_folders_of_classes(real_photographs, name, classes, count):
    task = read_set(real_photographs(name))
    assert len(task.classes) == task.trained == classes
    assert len(task.train.images) + len(task.tests["test"].images) == count
    assert 0.18 < len(task.tests["test"].images) / count < 0.22
    assert not {each.key for each in task.train.images} & {each.key for each in task.tests["test"].images}


def test_real_masks(real_photographs):
    camvid = read_set(real_photographs("camvid"))
    assert (len(camvid.train), len(camvid.test), len(camvid.classes)) == (367, 101, 11)
    mask = read_mask(camvid, camvid.test[0])
    assert mask.shape == (360, 480)
    assert set(np.unique(mask).tolist()) <= {IGNORE, *range(11)}
    coco = read_set(real_photographs("coco200seg"))
    assert (len(coco.train), len(coco.test)) == (64, 56)
    for pair in (*coco.train, *coco.test):
        read_mask(coco, pair)


def test_real_depth(real_photographs):
    task = read_set(real_photographs("redkitchen_depth"))
    assert (len(task.train), len(task.test)) == (120, 32)
    metres = read_judged(task, task.test[0])
    assert metres.shape == (240, 320)
    assert 0.5 < np.median(metres[metres > 0]) < 4


def test_real_places_and_copies(real_photographs):
    places = read_set(real_photographs("corridor_places"))
    assert (len(places.queries), len(places.database)) == (66, 66)
    assert all(index in found for index, found in enumerate(places.levels["all"].positives))
    copies = read_set(real_photographs("copydet"))
    assert (len(copies.queries), len(copies.database), len(copies.truth)) == (832, 428, 720)
    assert Path(copies.queries[0].key).parts[0] == "query"
    assert len(set(copies.edits)) == 9
