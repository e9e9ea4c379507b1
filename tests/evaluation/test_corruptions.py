from itertools import pairwise

import cv2
import numpy as np
import pytest

from dinov2.evaluation.corruptions import CORRUPTIONS, GAUSSIAN, IMPULSE, MOTION, SEVERITIES, corrupt


@pytest.fixture(scope="module")
def photograph():
    """Smooth, with edges, and of all colours."""
    generator = np.random.default_rng(0)
    small = generator.integers(40, 216, (14, 20, 3), dtype=np.uint8)
    return cv2.resize(small, (160, 112), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_severity_takes_an_image_further_from_itself(name, photograph):
    whole = photograph.copy()
    found = [corrupt(photograph, name, severity, "a") for severity in SEVERITIES]
    assert all(each.dtype == np.uint8 and each.shape == photograph.shape for each in found)
    distances = [float(np.abs(each.astype(int) - photograph).mean()) for each in found]
    assert distances[0] > 0.5
    assert distances[-1] > 1.2 * distances[0]
    assert all(later > 0.85 * earlier for earlier, later in pairwise(distances))
    np.testing.assert_array_equal(photograph, whole)


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "motion_blur"])
def test_what_is_random_follows_the_key_alone(name, photograph):
    first = corrupt(photograph, name, 3, "a")
    np.testing.assert_array_equal(first, corrupt(photograph, name, 3, "a"))
    assert (first != corrupt(photograph, name, 3, "b")).any()


def test_the_constants_are_what_they_are_called():
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = corrupt(grey, "gaussian_noise", 1, "a") / 255
    assert noisy.std() == pytest.approx(GAUSSIAN[0], rel=0.02)
    hit = np.isin(corrupt(grey, "impulse_noise", 5, "a"), (0, 255)).mean()
    assert hit == pytest.approx(IMPULSE[4], rel=0.05)
    shot = corrupt(grey, "shot_noise", 1, "a") / 255
    assert shot.std() == pytest.approx(np.sqrt(0.5 / 60), rel=0.03)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_smears_a_point_to_one_side_as_half_a_gaussian(severity):
    half, deviation = MOTION[severity - 1]
    point = np.zeros((129, 129, 3), np.uint8)
    point[64, 64] = 255
    smear = corrupt(point, "motion_blur", severity, "a")[:, :, 0].astype(float)
    rows, columns = np.nonzero(smear)
    steps = np.arange(2 * half + 1)
    expected = np.exp(-(steps**2) / (2 * deviation**2))
    along = smear.sum(0)[::-1] if (columns < 64).any() else smear.sum(0)
    assert not along[:64].any()
    distance = np.hypot(rows - 64, columns - 64) * smear[rows, columns]
    assert distance.sum() / smear.sum() == pytest.approx((steps * expected).sum() / expected.sum(), rel=0.05)


@pytest.mark.parametrize("name", ["defocus_blur", "motion_blur", "contrast", "pixelate"])
def test_an_image_of_one_colour_stays_so(name):
    grey = np.full((64, 64, 3), (10, 128, 250), np.uint8)
    np.testing.assert_allclose(corrupt(grey, name, 4, "a").astype(int), grey, atol=1)


def test_brightness_adds_light_and_contrast_takes_spread(photograph):
    assert corrupt(photograph, "brightness", 2, "a").mean() > photograph.mean() + 20
    assert corrupt(photograph, "contrast", 3, "a").std() == pytest.approx(0.2 * photograph.std(), rel=0.2)
