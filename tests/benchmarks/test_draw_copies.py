"""Sets of copies drawn from small pictures: right, repeatable, and edited as each edit says."""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import draw_copies
from benchmarks.copy_detection import measure
from benchmarks.copy_files import open_set
from benchmarks.draw_copies import draw, in_order, main
from benchmarks.unseen_edits import EDITS
from dinov2.curation.descriptors.pdq import PdqDescriptor
from dinov2.data.images import decode_rgb
from dinov2.errors import ConfigError, DataError


def _picture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(256, size=(9, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    """Two folders with eight pictures of two classes, a small one, a broken one, a near duplicate and a table."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for number in range(8):
        place = folders[number % 2] / ("cats", "dogs")[number // 4]
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{number}.jpg"), _picture(number))
    cv2.imwrite(str(folders[0] / "cats/small.png"), _picture(20, height=60))
    cv2.imwrite(str(folders[0] / "cats/twin.png"), cv2.GaussianBlur(_picture(0), (0, 0), 1))
    (folders[1] / "cats/broken.jpg").write_bytes(b"no picture")
    (folders[1] / "labels.csv").write_text("file,label\n")
    return folders


def _bytes(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_every_original_has_each_edit_and_the_others_none(photographs: list[Path], tmp_path: Path) -> None:
    draw(photographs, tmp_path / "set", 2, 0)
    copies = open_set(tmp_path / "set")
    assert len(copies.database) == 4
    assert sorted(copies.edits) == sorted([*EDITS, *EDITS, "none", "none"])
    by_original: dict[int, list[str]] = {}
    for query, image in copies.pairs:
        by_original.setdefault(image, []).append(copies.edits[query])
    assert [sorted(edits) for edits in by_original.values()] == [sorted(EDITS)] * 2


def test_queries_show_the_original_of_their_row(
    photographs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw_copies, "EDITS", {"unedited": lambda image, _: image})
    draw(photographs, tmp_path / "set", 2, 0)
    found = measure(open_set(tmp_path / "set"), PdqDescriptor(), 1)
    assert (found["micro_ap"], found["recall_at_1"], found["false_positives"]) == (1.0, 1.0, 0.0)


def test_the_seed_decides_and_the_order_of_the_folders_does_not(photographs: list[Path], tmp_path: Path) -> None:
    for name, folders, seed in (("a", photographs, 0), ("b", photographs[::-1], 0), ("c", photographs, 1)):
        draw(folders, tmp_path / name, 2, seed)
    first, second, third = (_bytes(tmp_path / name) for name in "abc")
    assert first == second
    assert first.keys() != third.keys()


def test_what_cannot_be_used_is_told_and_left_out(
    photographs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(DataError, match="8 usable photographs; --originals 3 takes 9"):
        draw(photographs, tmp_path / "set", 3, 0)
    told = capsys.readouterr().err
    assert "cats/small.png: its shortest side has 60 pixels; at least 96; left out" in told
    assert "cats/broken.jpg: cannot decode" in told
    assert told.count("a near duplicate of") == 1
    assert not (tmp_path / "set").exists()


def test_large_photographs_are_shrunk(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "large").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"large/{number}.jpg"), _picture(number, 600, 900))
    draw([tmp_path / "large"], tmp_path / "set", 1, 0)
    files = [data for name, data in _bytes(tmp_path / "set").items() if name.endswith(".jpg")]
    assert {decode_rgb(data).shape for data in files} == {(512, 768, 3)}


def test_photographs_are_spread_over_folders() -> None:
    names = [f"many/{number}.jpg" for number in range(9)] + ["few/0.jpg", "few/1.jpg"]
    order = in_order(names, 0)
    assert sorted(order) == sorted(names)
    assert {name.split("/")[0] for name in order[:2]} == {name.split("/")[0] for name in order[2:4]} == {"many", "few"}
    assert order == in_order(reversed(names), 0)


def test_wrong_places_are_told(photographs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists and is not an empty folder"):
        draw(photographs, tmp_path / "first", 2, 0)
    with pytest.raises(ConfigError, match="--originals 0: at least 1"):
        draw(photographs, tmp_path / "set", 0, 0)
    with pytest.raises(DataError, match="absent: no such folder"):
        draw([tmp_path / "absent"], tmp_path / "set", 2, 0)
    with pytest.raises(DataError, match="is also the name of"):
        draw([photographs[0], photographs[0]], tmp_path / "set", 2, 0)


def test_the_command_draws(photographs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["draw_copies", *map(str, photographs), str(tmp_path / "set"), "--originals", "1"])
    main()
    with (tmp_path / "set/ground_truth.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(EDITS) + 1


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("size", [(120, 160), (301, 97), (512, 700)])
def test_an_edit_changes_the_picture_and_keeps_its_size(edit: str, size: tuple[int, int]) -> None:
    image = _picture(3, *size)
    before = image.copy()
    first, again = (EDITS[edit](image, np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(first, again)
    assert (first.shape, first.dtype) == (image.shape, np.uint8)
    assert np.abs(first.astype(int) - image).mean() > 4


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_not_the_same_each_time(edit: str) -> None:
    first, other = (EDITS[edit](_picture(3, 512, 700), np.random.default_rng(seed)) for seed in (0, 1))
    assert (first != other).any()


def _edited(edit: str, image: np.ndarray) -> np.ndarray:
    return EDITS[edit](image, np.random.default_rng(0))


def test_strips_hold_the_same_pixels() -> None:
    image = _picture(1, 240, 240)
    before, after = (np.sort(each.reshape(-1, 3), axis=0) for each in (image, _edited("strips", image)))
    np.testing.assert_array_equal(after, before)


def test_a_swirl_leaves_the_corners() -> None:
    image = _picture(1, 150, 300)
    np.testing.assert_array_equal(_edited("swirl", image)[:, [0, -1]], image[:, [0, -1]])


@pytest.mark.parametrize(("edit", "tolerance"), [("dither", 8), ("halftone", 20)])
@pytest.mark.parametrize("light", [40, 128, 200])
def test_dots_are_as_bright_as_what_they_show(edit: str, tolerance: int, light: int) -> None:
    edited = _edited(edit, np.full((240, 240, 3), light, np.uint8))
    assert edited.mean() == pytest.approx(light, abs=tolerance)
    assert edited.std() > 60


def test_dithering_leaves_eight_colours() -> None:
    assert len(np.unique(_edited("dither", _picture(1)).reshape(-1, 3), axis=0)) <= 8


@pytest.mark.parametrize(
    ("edit", "paper"), [("sketch", 255), ("emboss", 128), ("oil", 90), ("swirl", 90), ("wave", 90)]
)
def test_where_nothing_is_drawn_there_is_nothing_to_see(edit: str, paper: int) -> None:
    np.testing.assert_array_equal(_edited(edit, np.full((120, 160, 3), 90, np.uint8)), paper)


def test_oil_takes_the_colour_of_most_around() -> None:
    image = np.full((200, 200, 3), 40, np.uint8)
    image[:, 100:] = 220
    specks = image.copy()
    specks[10::20, 10::20] = 255 - specks[10::20, 10::20]
    np.testing.assert_array_equal(_edited("oil", specks), image)


def test_a_vignette_darkens_corners_away_from_the_leak() -> None:
    edited = _edited("vignette", np.full((200, 200, 3), 200, np.uint8)).mean(axis=2)
    assert min(edited[0, 0], edited[0, -1]) < 0.5 * edited[100, 100]


def test_moire_bands_differ_between_colours() -> None:
    red, green, blue = np.moveaxis(_edited("moire", np.full((200, 200, 3), 128, np.uint8)).astype(int), 2, 0)
    assert np.abs(red - green).mean() > 10
    assert np.abs(green - blue).mean() > 10
