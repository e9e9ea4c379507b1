import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.task import Classification
from tests.evaluation.sets.making import image, text


def labels_by_key(part, classes):
    return {each.key: classes[label] for each, label in zip(part.images, part.labels, strict=True)}


def test_folders_without_a_split_are_divided_class_by_class(tmp_path):
    for name, count in (("cat", 10), ("dog", 5), ("eel", 1)):
        for number in range(count):
            image(tmp_path / name / f"{number}.jpg")
    text(tmp_path / "README.md", "not an image")
    task = read_set(tmp_path)
    assert isinstance(task, Classification)
    assert task.classes == ("cat", "dog", "eel")
    assert np.bincount(task.train.labels).tolist() == [8, 4, 1]
    assert np.bincount(task.tests["test"].labels).tolist() == [2, 1]
    both = {**labels_by_key(task.train, task.classes), **labels_by_key(task.tests["test"], task.classes)}
    assert len(both) == 16
    assert all(key.split("/")[0] == label for key, label in both.items())
    assert "hash" in task.split


@pytest.mark.parametrize("judged", ["val", "test"])
def test_given_folders_of_training_and_test_images_are_taken(tmp_path, judged):
    for part, names in (("train", ("n01", "n02")), (judged, ("n01", "n02"))):
        for name in names:
            image(tmp_path / part / name / "x.JPEG")
    task = read_set(tmp_path)
    assert labels_by_key(task.train, task.classes) == {"train/n01/x.JPEG": "n01", "train/n02/x.JPEG": "n02"}
    assert labels_by_key(task.tests["test"], task.classes) == {
        f"{judged}/n01/x.JPEG": "n01",
        f"{judged}/n02/x.JPEG": "n02",
    }
    assert task.split == "given"


def test_a_class_without_training_images_is_numbered_behind_the_others(tmp_path):
    for part, names in (("train", ("b", "c")), ("test", ("a", "b"))):
        for name in names:
            image(tmp_path / part / name / "x.png")
    (tmp_path / "train" / "a").mkdir()
    task = read_set(tmp_path)
    assert task.classes == ("b", "c", "a")
    assert task.trained == 2
    assert task.tests["test"].labels.tolist() == [2, 0]


def test_a_label_that_disagrees_with_its_folder_is_named(tmp_path):
    for name in ("cat", "dog"):
        for number in range(2):
            image(tmp_path / name / f"{number}.jpg")
    rows = ["cat/0.jpg,cat", "cat/1.jpg,cat", "dog/0.jpg,dog", "dog/1.jpg,dog"]
    text(tmp_path / "labels.csv", "file,label", *rows)
    assert len(read_set(tmp_path).classes) == 2
    text(tmp_path / "labels.csv", "file,label", *rows[:3], "dog/1.jpg,cat")
    with pytest.raises(DataError, match=r"labels.csv, line 5: dog/1.jpg is labelled 'cat' and lies in .*'dog'"):
        read_set(tmp_path)
    text(tmp_path / "labels.csv", "file,label", *rows[:3])
    with pytest.raises(DataError, match=r"labels.csv: 1 images are not in it, the first: dog/1.jpg"):
        read_set(tmp_path)
    text(tmp_path / "labels.csv", "file,label", *rows, "dog/2.jpg,dog")
    with pytest.raises(DataError, match=r"line 6: .*dog/2.jpg does not exist"):
        read_set(tmp_path)
    text(tmp_path / "labels.csv", "file,label", *rows, "../dog/2.jpg,dog")
    with pytest.raises(DataError, match="no path within"):
        read_set(tmp_path)


def test_too_little_to_learn_from_is_said(tmp_path):
    image(tmp_path / "train" / "a" / "x.jpg")
    image(tmp_path / "val" / "a" / "x.jpg")
    with pytest.raises(DataError, match="training images of 1 class; two are needed"):
        read_set(tmp_path, "folders")
    image(tmp_path / "train" / "b" / "x.jpg")
    (tmp_path / "val" / "a" / "x.jpg").unlink()
    with pytest.raises(DataError, match="no image to test with"):
        read_set(tmp_path, "folders")


def robust(root):
    for name in ("n1", "n2", "n3"):
        image(root / "train" / name / "x.jpg")
        image(root / "val" / name / "y.jpg")
        for corruption in ("fog", "snow"):
            for severity in "12":
                image(root / "imagenet-c" / corruption / severity / name / "y.jpg")
    for name in ("n1", "n3"):
        image(root / "imagenet-a" / name / "z.jpg")


def test_sets_that_share_the_classes_are_tests_with_their_subset(tmp_path):
    robust(tmp_path)
    task = read_set(tmp_path)
    corrupted = [f"{corruption}/{severity}" for corruption in ("fog", "snow") for severity in "12"]
    assert set(task.tests) == {"val", "imagenet-a", *corrupted}
    assert task.tests["imagenet-a"].among == (0, 2)
    assert task.tests["imagenet-a"].labels.tolist() == [0, 2]
    assert all(task.tests[name].among is None for name in ("val", *corrupted))
    assert task.tests["fog/2"].images[0].key == "imagenet-c/fog/2/n1/y.jpg"


def test_a_test_of_a_class_that_training_lacks_is_refused(tmp_path):
    robust(tmp_path)
    image(tmp_path / "imagenet-r" / "n9" / "z.jpg")
    with pytest.raises(DataError, match=r"imagenet-r/n9 is named for no class of train/"):
        read_set(tmp_path)


@pytest.mark.parametrize("beside", [False, True])
def test_a_folder_of_test_images_without_classes_is_passed_over(tmp_path, beside):
    robust(tmp_path)
    image(tmp_path / "test" / "ILSVRC2012_test_1.jpg")
    task = read_set(tmp_path, "shifted" if beside else "folders")
    assert {each.key.split("/")[0] for each in task.tests["val" if beside else "test"].images} == {"val"}
    assert ("test" in task.tests) is not beside


def test_images_to_test_with_that_lie_without_classes_are_asked_for_by_class(tmp_path):
    for name in ("n1", "n2"):
        image(tmp_path / "train" / name / "x.jpg")
    image(tmp_path / "val" / "ILSVRC2012_val_1.jpg")
    with pytest.raises(DataError, match="no classes of test images; allowed: test/CLASS/, val/CLASS/"):
        read_set(tmp_path)


def test_answers_on_images_of_the_same_kind_are_among_all_classes_whatever_lies_beside(tmp_path):
    robust(tmp_path)
    for path in (tmp_path / "val" / "n2").iterdir():
        path.unlink()
    task = read_set(tmp_path)
    assert task.tests["val"].among is None
    assert task.tests["imagenet-a"].among == (0, 2)
