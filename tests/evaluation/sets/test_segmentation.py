import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.segmentation.masks import read_mask
from dinov2.evaluation.sets.task import IGNORE, Dense
from tests.evaluation.sets.making import image, mask, text

GRID = np.arange(12, dtype=np.uint8).reshape(3, 4)


def camvid(root, count=6, values=GRID):
    for number in range(count):
        image(root / "images" / f"{number}.jpg", 3, 4)
        mask(root / "masks" / f"{number}.png", values)


def test_classes_come_from_the_readme_and_the_unlabelled_one_does_not_count(tmp_path):
    camvid(tmp_path)
    names = ", ".join(f"{number}=c{number}" for number in range(11))
    text(tmp_path / "README.md", "# a set", f"Classes: {names}, 11=Unlabelled(ignore).")
    task = read_set(tmp_path)
    assert isinstance(task, Dense)
    assert task.classes == tuple(f"c{number}" for number in range(11))
    expected = np.where(GRID == 11, IGNORE, GRID.astype(int))
    np.testing.assert_array_equal(read_mask(task, task.train[0]), expected)


def test_a_list_of_classes_may_have_gaps_and_names_what_does_not_count(tmp_path):
    camvid(tmp_path, values=np.array([[0, 25], [184, 255]], np.uint8).repeat(2, 1)[:, :4].repeat(2, 0)[:3])
    text(tmp_path / "classes.txt", "  0: unlabeled", "  25: giraffe", " 184: tree-merged", " 200: rug")
    task = read_set(tmp_path)
    assert task.classes == ("giraffe", "tree-merged", "rug")
    expected = [[IGNORE, IGNORE, 0, 0]] * 2 + [[1, 1, IGNORE, IGNORE]]
    assert read_mask(task, task.test[0]).tolist() == expected


def test_without_a_list_every_value_is_a_class(tmp_path):
    camvid(tmp_path, values=np.array([[0, 3, 7, 255]] * 3, np.uint8))
    task = read_set(tmp_path)
    assert task.classes == ("0", "3", "7")
    assert read_mask(task, task.train[0])[0].tolist() == [0, 1, 2, IGNORE]
    assert "by hash" in task.split


def test_a_value_that_stands_for_nothing_is_named(tmp_path):
    camvid(tmp_path)
    text(tmp_path / "classes.txt", "0: a", "1: b")
    task = read_set(tmp_path)
    with pytest.raises(DataError, match=r"masks/.\.png: holds 2, 3, 4, 5, 6, which stands for none"):
        read_mask(task, task.train[0])


def test_a_mask_of_another_size_than_its_image_is_named(tmp_path):
    camvid(tmp_path)
    task = read_set(tmp_path)
    mask(task.test[0].truth, GRID.T.copy())
    with pytest.raises(DataError, match=r"\.png: 3×4 pixels; its image .*\.jpg has 4×3"):
        read_mask(task, task.test[0])


def test_a_mask_of_colours_is_refused(tmp_path):
    camvid(tmp_path)
    text(tmp_path / "classes.txt", *(f"{number}: c" for number in range(12)))
    task = read_set(tmp_path)
    mask(task.train[0].truth, np.zeros((3, 4, 3), np.uint8))
    with pytest.raises(DataError, match="of mode RGB; allowed: one channel"):
        read_mask(task, task.train[0])


def test_an_image_without_a_mask_and_a_mask_without_an_image_are_named(tmp_path):
    camvid(tmp_path)
    extra = image(tmp_path / "images" / "x.jpg")
    with pytest.raises(DataError, match=r"images/x.jpg: no file of its name in .*masks"):
        read_set(tmp_path)
    extra.unlink()
    mask(tmp_path / "masks" / "y.png", GRID)
    with pytest.raises(DataError, match=r"masks/y.png: no image of its name"):
        read_set(tmp_path)


def test_the_split_of_an_index_is_taken(tmp_path):
    camvid(tmp_path)
    parts = ("train2017", "val2017", "train2017", "train2017", "val2017", "train2017")
    rows = [f"images/{number}.jpg,masks/{number}.png,{part}" for number, part in enumerate(parts)]
    text(tmp_path / "index.csv", "image,mask,coco_part", *rows)
    task = read_set(tmp_path)
    assert [pair.image.key for pair in task.test] == ["images/1.jpg", "images/4.jpg"]
    assert len(task.train) == 4
    assert task.split == "given"
    text(tmp_path / "index.csv", "image,mask,coco_part", *rows[:-1])
    with pytest.raises(DataError, match=r"index.csv: 1 images are not in it, the first: images/5.jpg"):
        read_set(tmp_path)
    text(tmp_path / "index.csv", "image,mask,coco_part", "images/0.jpg,masks/1.png,val")
    with pytest.raises(DataError, match=r"line 2: images/0.jpg and masks/1.png are no image and its mask"):
        read_set(tmp_path)


def test_lists_of_names_split_and_test_goes_before_val(tmp_path):
    camvid(tmp_path)
    text(tmp_path / "train.txt", "0", "1", "images/2.jpg masks/2.png")
    text(tmp_path / "val.txt", "3")
    text(tmp_path / "test.txt", "4", "5")
    task = read_set(tmp_path)
    assert [[pair.image.key[7] for pair in part] for part in (task.train, task.test)] == [list("012"), list("45")]
    text(tmp_path / "test.txt", "9")
    with pytest.raises(DataError, match=r"test.txt, line 1: 9 is none of the images"):
        read_set(tmp_path)


def test_ade20k_leaves_out_what_is_no_class(tmp_path):
    for part in ("training", "validation"):
        image(tmp_path / "images" / part / "a.jpg", 3, 4)
        mask(tmp_path / "annotations" / part / "a.png", np.array([[0, 1, 2, 150]] * 3, np.uint8))
    task = read_set(tmp_path)
    assert len(task.classes) == 150
    assert read_mask(task, task.test[0])[0].tolist() == [IGNORE, 0, 1, 149]
    rows = [f"{number}\t0.1\t1\t1\tname {number}, other" for number in range(1, 151)]
    text(tmp_path / "objectInfo150.txt", "Idx\tRatio\tTrain\tVal\tName", *rows)
    assert read_set(tmp_path).classes[149] == "name 150"


def voc(root):
    for name in ("a", "b", "c"):
        image(root / "JPEGImages" / f"{name}.jpg", 3, 4)
        for folder in ("SegmentationClass", "SegmentationClassAug"):
            mask(root / folder / f"{name}.png", np.array([[0, 15, 20, 255]] * 3, np.uint8), palette=True)
    lists = root / "ImageSets" / "Segmentation"
    text(lists / "train.txt", "a")
    text(lists / "trainaug.txt", "a", "b")
    text(lists / "val.txt", "c")
    return lists


def test_voc_reads_indices_and_not_colours(tmp_path):
    lists = voc(tmp_path)
    task = read_set(tmp_path)
    assert [pair.image.key for pair in task.train] == ["JPEGImages/a.jpg", "JPEGImages/b.jpg"]
    assert read_mask(task, task.test[0])[0].tolist() == [0, 15, 20, IGNORE]
    assert task.classes[15] == "person"
    text(lists / "val.txt", "d")
    with pytest.raises(DataError, match=r"val.txt, line 1: .*d.jpg does not exist"):
        read_set(tmp_path)


def test_cityscapes_judges_nineteen_of_its_labels(tmp_path):
    for part in ("train", "val"):
        image(tmp_path / "leftImg8bit" / part / "ulm" / "ulm_1_leftImg8bit.png", 3, 4)
        labels = tmp_path / "gtFine" / part / "ulm" / "ulm_1_gtFine"
        mask(labels.with_name("ulm_1_gtFine_labelIds.png"), np.array([[0, 7, 33, 29]] * 3, np.uint8))
        mask(labels.with_name("ulm_1_gtFine_instanceIds.png"), np.array([[0, 7, 33, 29]] * 3, np.uint8))
    task = read_set(tmp_path)
    assert len(task.classes) == 19
    assert read_mask(task, task.test[0])[0].tolist() == [IGNORE, 0, 18, IGNORE]


def test_a_list_of_classes_that_cannot_be_is_named(tmp_path):
    camvid(tmp_path)
    text(tmp_path / "classes.txt", "0: a", "99999999999: b")
    with pytest.raises(DataError, match=r"classes.txt: class 99999999999; masks of 16 bits hold up to 65535"):
        read_set(tmp_path)
    text(tmp_path / "classes.txt", "0: a", "sky")
    with pytest.raises(DataError, match=r"classes.txt, line 2: not a number, a colon"):
        read_set(tmp_path)
