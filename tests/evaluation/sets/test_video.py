import json

import cv2
import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.task import Clip, Video
from dinov2.evaluation.sets.video.frames import UndecodableError, attempt, evenly, read_frames
from tests.evaluation.sets.making import clip, image, text


@pytest.mark.parametrize(
    ("total", "expected"), [(8, [*range(8)]), (16, [*range(1, 16, 2)]), (3, [0, 0, 0, 1, 1, 2, 2, 2])]
)
def test_frames_are_the_middles_of_equal_stretches(total, expected):
    assert evenly(total, 8) == expected


@pytest.mark.parametrize("frames", [24, 5])
def test_the_frames_asked_for_are_those_that_come(tmp_path, frames):
    found = read_frames(Clip("x", clip(tmp_path / "x.avi", frames)))
    assert [each.shape for each in found] == [(32, 32, 3)] * 8
    seen = [round(float(each.mean()) / 6) for each in found]
    assert seen == evenly(frames, 8)


def test_colours_are_red_green_blue(tmp_path):
    path = tmp_path / "frames"
    for number in range(2):
        image(path / f"{number}.png", seed=number)
    first = read_frames(Clip("x", path))[0]
    np.testing.assert_array_equal(first, cv2.imread(str(path / "0.png"))[:, :, ::-1])


def test_a_clip_that_is_cut_short_gives_what_it_has(tmp_path):
    path = clip(tmp_path / "x.avi", 40)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    seen = [round(float(each.mean()) / 6) for each in read_frames(Clip("x", path))]
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] < 39


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_a_clip_that_cannot_be_decoded_is_named(tmp_path, content):
    path = tmp_path / "x.avi"
    path.write_bytes(content)
    with pytest.raises(UndecodableError, match=r"x.avi: no"):
        read_frames(Clip("x", path))
    assert isinstance(attempt(Clip("x", path)), UndecodableError)


def test_a_folder_without_frames_is_named(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(UndecodableError, match="a folder without images"):
        read_frames(Clip("x", tmp_path / "x"))
    text(tmp_path / "x" / "0.jpg", "no image")
    with pytest.raises(UndecodableError, match="cannot decode"):
        read_frames(Clip("x", tmp_path / "x"))


def keys(clips, labels, classes):
    return {each.key: classes[label] for each, label in zip(clips, labels, strict=True)}


def test_ucf_lists(tmp_path):
    for name in ("Archery/v_Archery_g01_c01", "Bowling/v_Bowling_g01_c01", "Archery/v_Archery_g08_c01"):
        clip(tmp_path / f"{name}.avi", 1)
    text(tmp_path / "trainlist01.txt", "Archery/v_Archery_g08_c01.avi 1", "Bowling/v_Bowling_g01_c01.avi 2")
    text(tmp_path / "testlist01.txt", "Archery/v_Archery_g01_c01.avi")
    task = read_set(tmp_path)
    assert isinstance(task, Video)
    assert task.classes == ("Archery", "Bowling")
    assert keys(task.test, task.test_labels, task.classes) == {"Archery/v_Archery_g01_c01.avi": "Archery"}
    text(tmp_path / "testlist01.txt", "Archery/v_Archery_g02_c01.avi")
    with pytest.raises(DataError, match=r"testlist01.txt, line 1: .*g02_c01.avi does not exist"):
        read_set(tmp_path)


def test_something_something_lists(tmp_path):
    for number in (7, 8, 9):
        clip(tmp_path / "videos" / f"{number}.avi", 1)
    rows = [{"id": str(number), "template": f"{verb} [something]"} for number, verb in ((7, "Lifting"), (8, "Tilting"))]
    (tmp_path / "something-something-v2-train.json").write_text(json.dumps(rows))
    (tmp_path / "something-something-v2-validation.json").write_text(
        json.dumps([{"id": "9", "template": "Tilting [something]"}])
    )
    task = read_set(tmp_path)
    assert task.classes == ("Lifting something", "Tilting something")
    assert task.test_labels.tolist() == [1]
    (tmp_path / "something-something-v2-validation.json").write_text(json.dumps([{"id": "99", "template": "x"}]))
    with pytest.raises(DataError, match=r"validation.json: 1 clips are not below .*, the first: 99"):
        read_set(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_lists_of_paths_and_labels(tmp_path, kind):
    for number in range(3):
        clip(tmp_path / "clips" / f"{number}.avi", 1)
    head, mark = (["path,label"], ",") if kind == "csv" else ([], " ")
    text(tmp_path / f"train.{kind}", *head, f"clips/0.avi{mark}run", f"clips/1.avi{mark}walk")
    text(tmp_path / f"val.{kind}", *head, f"clips/2.avi{mark}swim")
    task = read_set(tmp_path)
    assert (task.classes, task.trained, task.test_labels.tolist()) == (("run", "walk", "swim"), 2, [2])


def test_folders_of_frames_are_clips_and_recordings_stay_together(tmp_path):
    for name in ("run", "walk"):
        for group in range(5):
            for part in range(2):
                image(tmp_path / name / f"v_g{group:02d}_c{part:02d}" / "0.jpg")
    task = read_set(tmp_path)
    assert isinstance(task, Video)
    assert len(task.train) == 16
    groups = [{each.key.rsplit("_", 1)[0] for each in part} for part in (task.train, task.test)]
    assert not groups[0] & groups[1]


def test_given_folders_of_clips(tmp_path):
    for part in ("train", "val"):
        for name in ("run", "walk"):
            clip(tmp_path / part / name / "x.avi", 1)
    task = read_set(tmp_path)
    assert keys(task.test, task.test_labels, task.classes) == {"val/run/x.avi": "run", "val/walk/x.avi": "walk"}
