import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.pictures.embedding_map import SIDE, THUMBNAIL, map_picture, plane
from dinov2.evaluation.pictures.palette import palette


def groups() -> tuple[np.ndarray, np.ndarray]:
    """Features of 60 images in three groups, and their numbers."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    return generator.normal(size=(3, 64))[labels] + 0.2 * generator.normal(size=(60, 64)), labels


def test_what_is_alike_lies_together_and_again_so():
    features, labels = groups()
    found = plane(features, 0)
    distance = np.linalg.norm(found[:, None] - found, axis=2) + 1e9 * np.eye(60)
    nearest = np.argsort(distance, axis=1)[:, :5]
    assert (labels[nearest] == labels[:, None]).all()
    np.testing.assert_array_equal(found, plane(features, 0))
    np.testing.assert_allclose(plane(1000 * features, 0), found, atol=1e-2 * np.abs(found).max())  # lengths say nothing


def test_a_model_that_sees_no_difference_has_all_at_one_place():
    features = np.random.default_rng(0).normal(size=16) + 1e-9 * np.random.default_rng(1).normal(size=(20, 16))
    for same in (features, np.zeros((20, 16))):
        np.testing.assert_array_equal(plane(same, 0), np.zeros((20, 2)))


@pytest.mark.parametrize("count", [4, 2001])
def test_too_few_and_too_many_are_refused(count):
    with pytest.raises(DataError, match=f"a map of {count} images; allowed: 5 to 2000"):
        plane(np.zeros((count, 3)), 0)


def test_images_are_drawn_at_their_places_and_photographs_where_there_is_room():
    places = np.array([[0, 0], [1, 1], [1.01, 1.0], [0, 1], [1, 0]])
    photographs = {number: np.full((40, 40, 3), 40 * number + 40, np.uint8) for number in (1, 2)}
    found = map_picture(places, np.array([0, 1, 1, 0, 1]), ["cat", "dog"], photographs)
    pixels = np.asarray(found.rows["map"])
    assert pixels.shape == (SIDE, SIDE, 4)
    margin = (np.argwhere(pixels[..., 3])).min(axis=0)
    assert (margin > 0).all()
    assert tuple(pixels[32, 32]) == (*palette(2)[0], 255)
    assert (pixels == (80, 80, 80, 255)).all(axis=2).sum() > THUMBNAIL**2 / 2
    assert not (pixels == (120, 120, 120, 255)).all(axis=2).any()  # there was no room for the second
    assert found.legend == dict(zip(("cat", "dog"), palette(2), strict=True))


def test_of_many_classes_there_is_no_legend():
    found = map_picture(np.eye(20, 2), np.arange(20), [str(number) for number in range(20)], {})
    assert found.legend == {}
