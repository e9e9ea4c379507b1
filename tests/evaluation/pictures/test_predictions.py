import numpy as np

from dinov2.evaluation.pictures.palette import palette
from dinov2.evaluation.pictures.predictions import NAMED, Collector, depth_picture, segmentation_picture
from dinov2.evaluation.pictures.tiles import LARGEST

PHOTOGRAPH = np.full((LARGEST, LARGEST, 3), 7, np.uint8)


def half(left: float, right: float, dtype: type = np.int64) -> np.ndarray:
    found = np.full((LARGEST, LARGEST), left, dtype)
    found[:, LARGEST // 2 :] = right
    return found


def test_only_the_images_asked_for_are_kept_and_as_they_were():
    watcher, shown = Collector((1, 3)), np.zeros((2, 2))
    for number in range(4):
        shown[:] = number
        watcher(number, shown)
    assert sorted(watcher.found) == [1, 3]
    assert (watcher.found[1] == 1).all()


def test_classes_have_their_colours_and_what_does_not_count_is_empty():
    found = segmentation_picture([PHOTOGRAPH], [half(2, -1)], [half(0, 1)], ["sky", "road", "car"])
    truth, predicted = (np.asarray(found.rows[name]) for name in ("truth", "predicted"))
    colours = palette(3)
    assert tuple(truth[9, 9]) == (*colours[2], 255)
    assert tuple(predicted[9, 9]) == (*colours[0], 255)
    assert not truth[:, LARGEST // 2 :, 3].any()
    assert not predicted[:, LARGEST // 2 :, 3].any()
    assert found.legend == {"sky": colours[0], "car": colours[2]}
    assert found.note == "0% of the pixels shown are right"


def test_the_legend_names_the_largest_classes():
    truth = np.repeat(np.arange(20), 20)[None].repeat(20, axis=0)
    truth[truth == 5] = 19
    found = segmentation_picture([PHOTOGRAPH], [truth], [truth], [f"c{number}" for number in range(20)])
    assert len(found.legend) == NAMED
    assert next(iter(found.legend)) == "c19"
    assert "c5" not in found.legend
    assert found.note == "100% of the pixels shown are right"


def test_depth_is_on_one_scale_and_no_reading_is_empty():
    found = depth_picture(
        [PHOTOGRAPH] * 2, [half(1, 3, np.float32), half(0, 3, np.float32)], [half(3, 9, np.float32)] * 2
    )
    truth, predicted = (np.asarray(found.rows[name])[9] for name in ("truth", "predicted"))
    second = LARGEST + 8
    assert truth[9, :3].astype(int).sum() < truth[LARGEST - 9, :3].astype(int).sum()
    assert truth[second + 9, 3] == 0
    assert (truth[LARGEST - 9] == predicted[9]).all()
    assert (predicted[9] == predicted[LARGEST - 9]).all()  # beyond the scale
    assert list(found.legend) == ["1.0 m", "1.5 m", "2.0 m", "2.5 m", "3.0 m"]
    assert found.legend["3.0 m"] == tuple(predicted[9, :3])


def test_colours_of_classes_differ_and_do_not_depend_on_how_many_there_are():
    many = palette(150)
    assert many[:11] == palette(11)
    assert len(set(many)) == 150
    few = np.array(many[:12], int)
    distance = np.abs(few[:, None] - few).sum(axis=2) + 999 * np.eye(12)
    assert distance.min() > 60
