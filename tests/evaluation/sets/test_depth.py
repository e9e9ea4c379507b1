import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.depth.maps import read_depth, read_judged
from dinov2.evaluation.sets.pixels import read_pixels
from dinov2.evaluation.sets.task import Depth
from tests.evaluation.sets.making import image, mask, text

MAP = np.array([[0, 1, 1500, 9999], [10001, 65535, 2, 800]], np.uint16)


def kitchen(root, count=20):
    for number in range(count):
        image(root / "rgb" / f"{number:03d}.jpg", 2, 4)
        mask(root / "depth" / f"{number:03d}.png", MAP)


def test_frames_of_a_recording_are_divided_in_stretches(tmp_path):
    kitchen(tmp_path)
    task = read_set(tmp_path)
    assert isinstance(task, Depth)
    assert [pair.image.key for pair in task.train] == [f"rgb/{number:03d}.jpg" for number in range(15)]
    assert [pair.image.key for pair in task.test] == [f"rgb/{number:03d}.jpg" for number in range(16, 20)]
    assert "in order" in task.split


def test_millimetres_become_metres_and_what_is_out_of_reach_is_unknown(tmp_path):
    kitchen(tmp_path)
    task = read_set(tmp_path)
    expected = np.array([[0, 0.001, 1.5, 9.999], [0, 0, 0.002, 0.8]], np.float32)
    np.testing.assert_allclose(read_depth(task, task.train[0]), expected, rtol=1e-6)
    np.testing.assert_array_equal(read_judged(task, task.train[0]), read_depth(task, task.train[0]))


def test_an_index_that_pairs_otherwise_is_named(tmp_path):
    kitchen(tmp_path)
    text(tmp_path / "index.csv", "rgb,depth_mm_u16", "rgb/000.jpg,depth/000.png", "rgb/001.jpg,depth/002.png")
    with pytest.raises(DataError, match=r"line 3: rgb/001.jpg and depth/002.png are no image and its map"):
        read_set(tmp_path)


def test_a_map_that_is_missing_or_broken_is_named(tmp_path):
    kitchen(tmp_path)
    task = read_set(tmp_path)
    task.train[0].truth.write_bytes(task.train[0].truth.read_bytes()[:30])
    with pytest.raises(DataError, match=r"depth/000.png: cannot be read as a map"):
        read_depth(task, task.train[0])
    task.train[0].truth.unlink()
    with pytest.raises(DataError, match=r"rgb/000.jpg: no file of its name in .*depth"):
        read_set(tmp_path)


def test_nyud_judges_within_the_published_border(tmp_path):
    for name in ("nyu_train", "nyu_test"):
        image(tmp_path / "kitchen" / f"rgb_{name}.jpg", 480, 640)
        mask(tmp_path / "kitchen" / f"depth_{name}.png", np.full((480, 640), 2000, np.uint16))
        text(tmp_path / f"{name}.txt", f"/kitchen/rgb_{name}.jpg /kitchen/depth_{name}.png 518.85")
    task = read_set(tmp_path)
    assert (read_depth(task, task.test[0]) == 2).all()
    judged = read_judged(task, task.test[0]) > 0
    rows, columns = np.flatnonzero(judged.any(1)), np.flatnonzero(judged.any(0))
    assert (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) == (45, 471, 41, 601)
    text(tmp_path / "nyu_test.txt", "/kitchen/rgb_x.jpg /kitchen/depth_nyu_test.png 518.85")
    with pytest.raises(DataError, match=r"nyu_test.txt, line 1: .*rgb_x.jpg does not exist"):
        read_set(tmp_path)


def test_kitti_is_cut_and_counts_lines_without_a_map(tmp_path):
    for part in ("train", "test"):
        image(tmp_path / "input" / "day" / f"{part}.png", 375, 1242)
        mask(tmp_path / "gt_depth" / "day" / f"{part}.png", np.full((375, 1242), 256 * 20, np.uint16))
    text(tmp_path / "kitti_eigen_train.txt", "day/train.png day/train.png 721.5", "day/train.png None 721.5")
    text(tmp_path / "kitti_eigen_test.txt", "day/test.png day/test.png 721.5")
    task = read_set(tmp_path)
    assert task.skipped == 1
    assert task.test[0].image.box == (13, 23, 1229, 375)
    assert read_pixels(task.test[0].image).shape == (352, 1216, 3)
    assert (read_depth(task, task.test[0]) == 20).all()
    judged = read_judged(task, task.test[0]) > 0
    assert judged.shape == (352, 1216)
    assert int(np.flatnonzero(judged.any(1))[0]) == int(0.40810811 * 352)
    image(tmp_path / "input" / "day" / "test.png", 300, 1242)
    with pytest.raises(DataError, match=r"test.png: 1242×300 pixels; 1216×352 are cut out"):
        read_set(tmp_path)


@pytest.mark.parametrize(("size", "fits"), [((2, 4), True), ((1, 2), True), ((4, 2), False), ((2, 3), False)])
def test_a_map_may_be_smaller_than_its_image_but_not_of_another_shape(tmp_path, size, fits):
    kitchen(tmp_path)
    mask(tmp_path / "depth" / "000.png", np.full(size, 900, np.uint16))
    task = read_set(tmp_path)
    if fits:
        assert read_depth(task, task.train[0]).shape == size
    else:
        with pytest.raises(DataError, match=rf"depth/000.png: {size[1]}×{size[0]} pixels; its image .*000.jpg has 4×2"):
            read_depth(task, task.train[0])


def test_a_map_that_is_cut_has_the_size_of_its_image(tmp_path):
    for part in ("train", "test"):
        image(tmp_path / "input" / f"{part}.png", 375, 1242)
        mask(tmp_path / "gt_depth" / f"{part}.png", np.full((750, 2484), 256, np.uint16))
        text(tmp_path / f"kitti_eigen_{part}.txt", f"{part}.png {part}.png 721.5")
    task = read_set(tmp_path)
    with pytest.raises(DataError, match=r"gt_depth/test.png: 2484×750 pixels; its image .*input/test.png has 1242×375"):
        read_depth(task, task.test[0])
