import numpy as np
import pytest
from sklearn.decomposition import PCA

from dinov2.evaluation.pictures.pca import BACKGROUND, colours, pca_picture, principal

GREY = round(255 * BACKGROUND)


def grids(seed: int = 0) -> np.ndarray:
    """(3, 8, 8, 16): a 4 × 4 subject in the middle, its left half unlike its right, on a ground of its own."""
    generator = np.random.default_rng(seed)
    ground, left, right = generator.normal(size=(3, 16))
    found = np.tile(ground, (3, 8, 8, 1))
    found[:, 2:6, 2:4], found[:, 2:6, 4:6] = 6 * left, 6 * left + 2 * right
    return (found + 0.05 * generator.normal(size=found.shape)).astype(np.float32)


def test_components_are_those_of_scikit_learn():
    samples = np.random.default_rng(0).normal(size=(200, 6)) * [5, 4, 3, 2, 1, 0.5]
    mean, components = principal(samples, 3)
    reference = PCA(3).fit(samples)
    np.testing.assert_allclose(mean, reference.mean_)
    np.testing.assert_allclose(np.abs(components @ reference.components_.T), np.eye(3), atol=1e-9)


def test_signs_do_not_depend_on_the_order_of_the_samples():
    samples = np.random.default_rng(0).normal(size=(50, 5)) * [5, 4, 3, 2, 1]
    np.testing.assert_allclose(principal(samples, 3)[1], principal(samples[::-1], 3)[1], atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_subject_in_the_middle_is_coloured_and_the_ground_is_not(seed):
    found = colours(grids(seed), 64)
    assert found.shape == (3, 64, 64, 3)
    assert (found[:, :8] == GREY).all()
    assert (found[:, 28:36, 20:44] != GREY).any(axis=-1).all()


def test_like_parts_have_one_colour_in_all_images_and_unlike_parts_another():
    found = colours(grids(), 64).astype(int)
    left, right = found[:, 28:36, 20:26].mean((1, 2)), found[:, 28:36, 38:44].mean((1, 2))
    assert np.abs(left - left[0]).max() < 40
    assert np.abs(left - right).max() > 120


def test_equal_patches_are_all_background():
    assert (colours(np.ones((2, 4, 4, 8), np.float32), 32) == GREY).all()


def test_photographs_that_are_background_all_over_are_counted():
    half = grids()
    half[2] = half[:2, :2, :2].mean((0, 1, 2))  # of the ground alone
    images = np.zeros((3, 64, 64, 3), np.uint8)
    assert pca_picture(images, half).note == "1 of 3 photographs are background to it, all over"
    assert pca_picture(images, grids()).note == ""


def test_photographs_stand_above_their_features():
    found = pca_picture(np.full((3, 64, 64, 3), 99, np.uint8), grids())
    photographs, features = found.rows["photographs"], found.rows["features"]
    assert photographs.size == features.size
    assert np.asarray(photographs)[0, 0].tolist() == [99, 99, 99, 255]
    side = features.height
    np.testing.assert_array_equal(np.asarray(features)[:, :side, :3], colours(grids(), side)[0])
