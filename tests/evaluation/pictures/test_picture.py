import io

import cv2
import numpy as np
import pytest
from PIL import Image

from dinov2.errors import DataError
from dinov2.evaluation.pictures import Picture, beside
from dinov2.evaluation.pictures.picture import CAPTION, GAP, of_set
from dinov2.evaluation.pictures.tiles import LARGEST, WIDEST, fit, framed, heat, straight, strip

RED, BLUE = (255, 0, 0), (0, 0, 255)


def tile(colour: tuple[int, ...], shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    return np.full((*shape, len(colour)), colour, np.uint8)


def picture(colour: tuple[int, ...], note: str = "", name: str = "p", **rows: Image.Image) -> Picture:
    found = {"photographs": strip([tile(RED)] * 3), "features": strip([tile(colour)] * 3)} | rows
    return Picture(name, "A title", "A caption.", "Photographs, and colours", found, note=note, legend={"blue": BLUE})


@pytest.mark.parametrize("count", [1, 4, 6, 16])
def test_a_row_is_never_wider_than_allowed(count):
    row = strip([tile(RED, (30, 60))] * count)
    assert row.width <= WIDEST
    assert row.height <= LARGEST / 2
    assert abs(row.width - (count * 2 * row.height + (count - 1) * GAP)) <= count


def test_tiles_keep_their_shape_and_what_is_transparent():
    row = np.asarray(strip([tile(RED, (40, 20)), tile((0, 0, 255, 0))]))
    assert row.shape == (LARGEST, 2 * LARGEST + GAP, 4)
    assert (row[:, LARGEST // 4 : 3 * LARGEST // 4] == (255, 0, 0, 255)).all()
    assert not row[:, : LARGEST // 4, 3].any()
    assert not row[:, LARGEST + GAP :, 3].any()


def test_numbers_are_squares_that_lighten_as_they_grow():
    drawn = heat(np.array([[0.0, 1.0], [2.0, 9.0]]), 0, 2, 20).astype(int).sum(axis=2)
    assert drawn.shape == (20, 20)
    corners = drawn[0, 0], drawn[0, 19], drawn[19, 0], drawn[19, 19]
    assert corners[0] < corners[1] < corners[2] == corners[3]
    assert (drawn[:10, :10] == corners[0]).all()


def test_a_frame_lies_within_the_square():
    found = framed(tile(RED, (50, 100)), BLUE, 80)
    assert found.shape[1] == 80
    assert (found[0] == BLUE).all()
    assert (found[found.shape[0] // 2, 40] == RED).all()
    assert fit(tile(RED, (7, 700)), 70).shape == (1, 70, 3)


def test_an_image_has_every_row_under_its_caption_and_the_legend():
    found = picture(BLUE)
    with Image.open(io.BytesIO(found.png())) as opened:
        assert opened.size == (3 * LARGEST + 2 * GAP, 3 * CAPTION + 2 * LARGEST)
        pixels = np.asarray(opened)
    assert pixels[0, 0, 3] == 0  # transparent, for light and dark pages
    assert pixels[:CAPTION, :, 3].any()
    assert (pixels[CAPTION, 0] == (255, 0, 0, 255)).all()
    assert (pixels[2 * CAPTION + LARGEST, 0] == (0, 0, 255, 255)).all()
    assert (pixels[2 * CAPTION + 2 * LARGEST + 20, 5] == (0, 0, 255, 255)).all()
    assert found.png() == picture(BLUE).png()


def test_beside_each_other_photographs_stand_once_and_the_rest_below_each_other():
    found = beside({"S": picture(BLUE, "5 right"), "random": picture((0, 9, 0), "2 right")})
    assert list(found.rows) == ["photographs", "features: S", "features: random"]
    assert found.note == "S: 5 right; random: 2 right"
    assert found.alternative == "Photographs, and colours; of each S and of random"
    assert np.asarray(found.rows["features: random"])[0, 0].tolist() == [0, 9, 0, 255]


def test_a_row_that_only_one_has_keeps_its_name():
    found = beside({"S": picture(BLUE, register=strip([tile(BLUE)])), "random": picture((0, 9, 0))})
    assert list(found.rows) == ["photographs", "features: S", "features: random", "register: S"]


def test_one_alone_stays_as_it_is():
    only = picture(BLUE, "5 right")
    assert beside({"S": only}) is only


def test_of_several_sets_each_has_its_name():
    (found,) = of_set("pets", [picture(BLUE)])
    assert (found.name, found.title) == ("pets-p", "A title: pets")


def test_soft_edges_keep_their_colour_where_they_fade():
    canvas = np.zeros((40, 40, 4), np.uint8)
    cv2.circle(canvas, (20, 20), 9, (200, 100, 50, 255), -1, cv2.LINE_AA)
    found = np.asarray(straight(canvas)).astype(int)
    faded = (found[..., 3] > 60) & (found[..., 3] < 255)
    assert faded.sum() > 20
    assert np.abs(found[faded][:, :3] - (200, 100, 50)).max() <= 5
    assert not found[found[..., 3] == 0].any()


def test_pictures_of_two_kinds_are_not_mixed():
    with pytest.raises(DataError, match="pictures p, q: not of one kind"):
        beside({"S": picture(BLUE), "random": picture(BLUE, name="q")})
