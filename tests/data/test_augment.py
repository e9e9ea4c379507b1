import colorsys

import cv2
import numpy as np
import pytest
from numpy.random import default_rng
from pydantic import ValidationError

from dinov2.data.augment import CropsConfig, colour_jitter, multi_crop, random_resized_crop

PLAIN = {"jitter_probability": 0.0, "grey_probability": 0.0, "solarise_probability": 0.0, "blur_probability": (0, 0, 0)}


@pytest.fixture
def image() -> np.ndarray:
    """Red grows to the right, green downwards, blue is constant: a pixel's colour tells where it was."""
    columns, rows = np.meshgrid(np.linspace(0, 255, 300), np.linspace(0, 255, 200))
    return np.stack([columns, rows, np.full_like(rows, 90)], axis=-1).astype(np.uint8)


def test_crops_have_the_sizes_asked_for(image: np.ndarray) -> None:
    crops, local = multi_crop(image, CropsConfig(global_size=48, local_size=24, local_count=3), default_rng(0))
    assert (crops.shape, crops.dtype) == ((2, 48, 48, 3), np.uint8)
    assert (local.shape, local.dtype) == ((3, 24, 24, 3), np.uint8)


def test_no_local_crops_give_an_empty_array(image: np.ndarray) -> None:
    _, local = multi_crop(image, CropsConfig(global_size=48, local_size=24, local_count=0), default_rng(0))
    assert local.shape == (0, 24, 24, 3)


def test_crops_are_a_function_of_the_generator_alone(image: np.ndarray) -> None:
    config = CropsConfig(global_size=32, local_size=16)
    for one, other in zip(
        multi_crop(image, config, default_rng(4)), multi_crop(image, config, default_rng(4)), strict=True
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("scale", [(0.05, 0.32), (0.32, 1.0)])
def test_crops_cover_the_share_of_the_area_asked_for(image: np.ndarray, scale: tuple[float, float]) -> None:
    rng = default_rng(0)
    shares = []
    for _ in range(300):
        crop = random_resized_crop(image, 64, scale, rng).astype(float)
        width = (crop[..., 0].max() - crop[..., 0].min()) / 255
        height = (crop[..., 1].max() - crop[..., 1].min()) / 255
        shares.append(width * height)
    assert scale[0] * 0.75 < min(shares) < scale[0] * 1.25
    assert scale[1] * 0.8 < max(shares) < scale[1] * 1.1


def test_an_image_too_narrow_for_any_crop_gives_its_middle() -> None:
    strip = np.zeros((400, 4, 3), np.uint8)
    strip[198:202] = 255
    assert random_resized_crop(strip, 8, (0.9, 1.0), default_rng(0)).mean() > 100


def test_half_of_the_crops_are_mirrored(image: np.ndarray) -> None:
    config = CropsConfig(global_size=32, local_size=16, local_count=0, **PLAIN)
    rng = default_rng(0)
    mirrored = [multi_crop(image, config, rng)[0][0, 0, :, 0].astype(int) for _ in range(300)]
    assert 0.4 < np.mean([row[0] > row[-1] for row in mirrored]) < 0.6


class Fixed:
    """A generator that always draws the upper end and leaves orders alone."""

    def uniform(self, _: float, high: float) -> float:
        return high

    def permutation(self, count: int) -> range:
        return range(count)


@pytest.mark.parametrize("pixel", [(200, 100, 50), (10, 240, 120), (77, 77, 77)])
def test_jitter_equals_the_textbook_formulas(pixel: tuple[int, int, int]) -> None:
    def luma(x: np.ndarray) -> np.ndarray:
        return x @ [0.299, 0.587, 0.114]

    image = np.full((4, 4, 3), pixel, np.uint8)
    image[0] = (30, 60, 90)
    x = np.clip(image * 1.4, 0, 255)
    x = np.clip(1.4 * x - 0.4 * luma(x).mean(), 0, 255)
    x = np.clip(1.2 * x - 0.2 * luma(x)[..., None], 0, 255)
    expected = np.empty_like(x)
    for place in np.ndindex(4, 4):
        hue, saturation, value = colorsys.rgb_to_hsv(*(x[place] / 255))
        expected[place] = np.multiply(colorsys.hsv_to_rgb((hue + 0.1) % 1, saturation, value), 255)
    found = colour_jitter(image, (0.4, 0.4, 0.2, 0.1), Fixed())  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, atol=7)  # hue has 8 bits


def test_shrinking_does_not_alias() -> None:
    checkers = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    crop = random_resized_crop(np.repeat(checkers[..., None], 3, 2), 32, (0.9, 1.0), default_rng(0))
    assert crop.std() < 12


def test_blur_and_solarise_belong_to_the_crops_that_the_recipe_names() -> None:
    noise = default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    config = CropsConfig(
        global_size=64,
        local_size=32,
        local_count=2,
        **(PLAIN | {"blur_probability": (0, 1, 1), "solarise_probability": 1.0}),
    )

    def roughness(x: np.ndarray) -> float:
        return float(np.abs(cv2.Laplacian(x.astype(np.float32), cv2.CV_32F)).mean())

    def mean_roughness(number: int) -> float:
        return float(
            np.mean([roughness(multi_crop(noise, config, default_rng(seed))[0][number]) for seed in range(30)])
        )

    assert mean_roughness(1) < 0.6 * mean_roughness(0)
    white = np.full((64, 64, 3), 250, np.uint8)
    crops, local = multi_crop(white, config, default_rng(0))
    assert (crops[0] == 250).all()
    assert (crops[1] == 5).all()
    assert (local == 250).all()


def test_images_are_decoded_large_enough_for_the_smallest_crop() -> None:
    assert CropsConfig(global_size=224, local_size=98).shortest == 439
    assert CropsConfig(global_size=224, local_size=98, local_count=0).shortest == 396


def test_scales_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"local_scale \[0.5, 0.1\]"):
        CropsConfig(local_scale=(0.5, 0.1))
