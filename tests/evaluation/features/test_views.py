import numpy as np
import pytest

from dinov2.data.images import evaluation_view
from dinov2.evaluation.corruptions import corrupt
from dinov2.evaluation.features import Square, Whole


@pytest.fixture
def photograph():
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


def test_a_square_is_what_models_are_evaluated_on(photograph):
    np.testing.assert_array_equal(Square(42)(photograph, "key"), evaluation_view(photograph, 42))
    assert Square(224).shortest == 256


def test_a_corrupted_square_is_the_square_corrupted(photograph):
    seen = Square(42, ("gaussian_noise", 3))(photograph, "key")
    np.testing.assert_array_equal(seen, corrupt(evaluation_view(photograph, 42), "gaussian_noise", 3, "key"))
    assert (seen != Square(42, ("gaussian_noise", 3))(photograph, "other")).any()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((480, 640), (518, 686)), ((640, 480), (686, 518)), ((512, 512), (518, 518)), ((100, 10_000), (14, 2044))],
)
def test_sides_are_multiples_of_the_patch_and_no_side_is_endless(size, expected):
    found = Whole(512, 14).size(*size)
    assert found == expected
    assert all(side % 14 == 0 for side in found)


def test_a_whole_image_keeps_its_borders_and_can_be_mirrored():
    gradient = np.broadcast_to(np.linspace(0, 250, 90)[None, :, None], (60, 90, 3)).astype(np.uint8)
    seen, mirrored = Whole(56, 14)(gradient, ""), Whole(56, 14, flipped=True)(gradient, "")
    assert seen.shape == mirrored.shape == (56, 84, 3)
    assert seen[0, 0, 0] < 10
    assert seen[0, -1, 0] > 240
    np.testing.assert_array_equal(seen[:, ::-1], mirrored)


def test_a_side_has_one_patch_at_least():
    assert Whole(14, 14).size(1000, 10) == (56, 14)


def test_views_that_differ_have_different_names():
    views = [
        Square(224), Square(56), Square(224, ("contrast", 1)), Square(224, ("contrast", 2)), Whole(224, 14),
        Whole(224, 16), Whole(224, 14, flipped=True),
    ]  # fmt: skip
    assert len({view.digest for view in views}) == len(views)
