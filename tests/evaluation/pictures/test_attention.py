import numpy as np

from dinov2.evaluation.pictures.attention import HEADS, attention_picture
from dinov2.evaluation.pictures.norms import norm_picture
from dinov2.evaluation.pictures.tiles import LARGEST

IMAGES = np.zeros((2, 64, 64, 3), np.uint8)


def light(row, image: int = 0) -> np.ndarray:
    """(LARGEST, LARGEST) brightness of one tile."""
    left = image * (LARGEST + 8)
    return np.asarray(row)[:, left : left + LARGEST, :3].astype(int).sum(axis=2)


def test_each_head_has_its_map_and_registers_theirs():
    attention = np.zeros((2, 3, 3, 4, 4))
    attention[:, 0, 0, 0, 0] = 0.5  # head 1 of cls looks at the corner above on the left
    attention[:, 2, 0, 3, 3] = 0.4  # head 3 at the one below on the right
    attention[:, :, 2, 0, 3] = 0.3
    found = attention_picture(IMAGES, attention)
    assert list(found.rows) == [
        "photographs", "mean over heads", "head 1 of 3", "head 2 of 3", "head 3 of 3", "register 1", "register 2",
    ]  # fmt: skip
    first, third, register = (light(found.rows[name]) for name in ("head 1 of 3", "head 3 of 3", "register 2"))
    assert first[0, 0] > first[0, -1] == first[-1, -1]
    assert third[-1, -1] > third[0, 0]
    assert register[0, -1] > register[0, 0]
    assert found.note == "30% of it goes to patches"


def test_of_many_heads_some_are_drawn_from_first_to_last():
    found = attention_picture(IMAGES, np.ones((2, 24, 1, 4, 4)) / 20)
    heads = [name for name in found.rows if name.startswith("head")]
    assert len(heads) == HEADS
    assert (heads[0], heads[-1]) == ("head 1 of 24", "head 24 of 24")


def test_norms_have_one_scale_and_the_longest_is_told():
    norms = np.full((2, 4, 4), 10.0)
    norms[0, 1, 1], norms[1, 2, 2] = 80.0, 45.0
    found = norm_picture(IMAGES, norms)
    first, second = (light(found.rows["norms"], image) for image in (0, 1))
    side = LARGEST // 4
    assert first[side + 5, side + 5] > second[2 * side + 5, 2 * side + 5] > second[0, 0] == first[0, 0]
    assert found.note == "from 10 to 80, the longest 8.0 times the median"
