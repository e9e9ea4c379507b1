import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.features import ClipFrames, Square
from dinov2.evaluation.sets.task import Clip, Video
from dinov2.evaluation.statistics import value_of
from dinov2.evaluation.tasks.video import VIDEO
from tests.evaluation.sets.making import clip, text


@pytest.fixture
def task(tmp_path):
    """Clips that grow brighter for 40 frames, and clips of 4 that stay dark."""
    made = [clip(tmp_path / f"{number}.avi", 40 if number % 2 else 4) for number in range(16)]
    clips = tuple(Clip(path.name, path) for path in made)
    labels = np.arange(16) % 2
    return Video("clips", ("dark", "bright"), 2, clips[:10], labels[:10], clips[10:], labels[10:], "given")


def test_both_poolings_tell_clips_apart(task, own, setting):
    found = VIDEO.measure(task, own, ("video", "video_concatenation"), setting)
    for answer in found.values():
        assert value_of(answer.statistics["accuracy"]) == 1
        assert answer.statistics["accuracy"].count == 6
        assert (answer.details["undecodable_train"], answer.details["undecodable_test"]) == (0, 0)


def test_frames_are_seen_as_images_are(task, own, setting):
    features = setting.extractor.images(own, VIDEO.requests(task, own, ("video",), setting.config)["test"])
    frames = ClipFrames(task.test[1]).read(64)
    expected = own.layers(np.stack([Square(32)(frame, "") for frame in frames]), 1)[0].cls
    np.testing.assert_allclose(features.last_nd[8:16], expected, rtol=1e-4, atol=1e-4)


def test_a_clip_that_cannot_be_decoded_is_left_out_named_and_counted(task, own, setting, tmp_path, capsys):
    text(tmp_path / "3.avi", "no video")
    text(tmp_path / "12.avi", "no video")
    answer = VIDEO.measure(task, own, ("video",), setting)["video"]
    assert answer.statistics["accuracy"].count == 5
    assert (answer.details["undecodable_train"], answer.details["undecodable_test"]) == (1, 1)
    told = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert told == [f"{tmp_path / name}: cannot be decoded; left out" for name in ("3.avi", "12.avi")]


def test_a_set_of_broken_clips_is_refused(task, own, setting, tmp_path):
    for each in task.test:
        text(tmp_path / each.key, "no video")
    with pytest.raises(DataError, match=r"clips: none of 6 clips can be decoded, such as .*10\.avi"):
        VIDEO.measure(task, own, ("video",), setting)
