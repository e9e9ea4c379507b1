"""What is said of a set."""

from functools import partial

import numpy as np
import pytest

from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.task import Depth
from dinov2.evaluation.tasks.about import about
from dinov2.evaluation.tasks.problem import of_folder
from tests.evaluation.sets.making import clip, image


def test_counts_are_those_of_the_set_and_the_largest_class_is_named_as_chance(shapes):
    task = read_set(shapes / "shapes")
    train, test = len(task.train.images), len(task.tests["test"].images)
    share = 100 * np.mean(task.tests["test"].labels == np.bincount(task.train.labels).argmax())
    told = about(task)
    assert told.startswith(f"2 classes; {train} training images, {test} test images; split: {task.split}; ")
    assert told.endswith(f"always answering the largest class is right in {share:.1f}%")
    assert about(of_folder(task)) == told


def test_what_has_no_map_is_counted():
    def depth(skipped):
        return about(Depth("rooms", 1e-3, 0.1, 10, (0, 1, 0, 1), (), (), skipped, "given"))

    assert depth(3) == "depth from 0.1 to 10 m, 3 without a map; 0 training images, 0 test images; split: given"
    assert "without" not in depth(0)


@pytest.mark.parametrize("what", ["images", "clips"])
def test_classes_without_training_images_are_counted(tmp_path, what):
    count = {"train/a": 1, "train/b": 1, "val/a": 1, "val/c": 2, "val/d": 1}
    for folder, number in count.items():
        for each in range(number):
            (image if what == "images" else partial(clip, frames=8))(
                tmp_path / folder / f"{each}.{'png' if what == 'images' else 'avi'}"
            )
    told = about(read_set(tmp_path))
    assert f"; 3 test {what}, of 2 classes without training {what}, count as errors" in told
