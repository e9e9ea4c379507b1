import hashlib

import numpy as np
import pytest

from dinov2.data.images import decode_rgb
from dinov2.errors import DataError
from dinov2.evaluation.features import ClipFrames, FolderImage, ManifestImage
from dinov2.evaluation.sets.task import Clip, Image
from dinov2.evaluation.sets.video.frames import UndecodableError
from tests.evaluation.sets.making import clip, image, text


def test_an_image_of_a_folder_is_named_by_its_bytes_and_box(tmp_path):
    path = image(tmp_path / "a.png")
    whole = FolderImage(Image("a.png", tmp_path))
    boxed = FolderImage(Image("a.png", tmp_path, box=(2, 3, 8, 9)))
    assert whole.digest() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert boxed.digest() != whole.digest()
    (pixels,), (part,) = whole.read(8), boxed.read(8)
    np.testing.assert_array_equal(part, pixels[3:9, 2:8])
    image(tmp_path / "a.png", height=13, seed=1)
    assert whole.digest() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_image_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: No such file"):
        FolderImage(Image("gone.png", tmp_path)).digest()


def test_an_image_of_a_manifest_has_its_checksum_and_is_checked_against_it(manifest, reader):
    row = manifest.to_pylist()[3]
    found = ManifestImage(reader, row)
    assert (found.key, found.digest(), found.frames) == (row["key"], row["sha256"], 1)
    np.testing.assert_array_equal(found.read(32)[0], decode_rgb(reader.read(row["source"], row["uri"]), 32))
    with pytest.raises(DataError, match="its bytes are not those of the manifest"):
        ManifestImage(reader, row | {"sha256": "0" * 64}).read(32)


def test_a_clip_is_named_by_its_bytes_and_how_many_frames_are_taken(tmp_path):
    path = clip(tmp_path / "a.avi", 10)
    found = [ClipFrames(Clip("a", path), frames) for frames in (8, 4)]
    assert len({each.digest() for each in found}) == 2
    assert [len(each.read(16)) for each in found] == [8, 4]
    before = found[0].digest()
    clip(path, 11)
    assert found[0].digest() != before


def test_a_folder_of_frames_is_named_by_those_that_are_taken(tmp_path):
    for number in range(20):
        image(tmp_path / "clip" / f"{number:03}.png", seed=number)
    found = ClipFrames(Clip("clip", tmp_path / "clip"), 4)  # frames 2, 7, 12 and 17
    before = found.digest()
    image(tmp_path / "clip" / "003.png", seed=99)
    assert found.digest() == before
    image(tmp_path / "clip" / "007.png", height=13, seed=99)
    assert found.digest() != before


def test_a_clip_that_cannot_be_decoded_says_so_and_has_a_name(tmp_path):
    broken = ClipFrames(Clip("x", text(tmp_path / "x.avi", "no video")))
    assert isinstance(broken.read(16), UndecodableError)
    assert broken.digest() == ClipFrames(Clip("y", text(tmp_path / "y.avi", "no video"))).digest()
