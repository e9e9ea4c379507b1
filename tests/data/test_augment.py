import colorsys
import io
import itertools

import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image, ImageEnhance, ImageOps
from pydantic import ValidationError

from dinov2.data.augment import CropsConfig, colour_jitter, multi_crop, random_resized_crop
from dinov2.data.images import decode_rgb, resample
from dinov2.data.sample.photographs import photograph

SIDE = 64
PLAIN = {"jitter_probability": 0.0, "grey_probability": 0.0, "solarise_probability": 0.0, "blur_probability": (0, 0, 0)}
WHOLE = {"global_size": SIDE, "global_scale": (1, 1), "local_size": SIDE, "local_scale": (1, 1), "local_count": 1}
"""Of a square image with this side, every crop is the whole."""


class Drawn:
    """A generator that draws one share of every range, and leaves orders alone."""

    def __init__(self, share: float) -> None:
        self.share = share

    def random(self, shape: int | tuple[int, int]) -> np.ndarray:
        return np.full(shape, self.share)

    def permutation(self, count: int) -> range:
        return range(count)


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


@pytest.fixture(scope="module")
def square(photo: Image.Image) -> np.ndarray:
    """A photograph of SIDE × SIDE pixels."""
    return np.array(photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def luma(x: np.ndarray) -> np.ndarray:
    return (x @ [0.299, 0.587, 0.114])[..., None]


def with_hue_turned(x: np.ndarray, turn: float) -> np.ndarray:
    turned = np.empty(x.shape)
    for place in np.ndindex(*x.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(x[place] / 255))
        turned[place] = np.multiply(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), 255)
    return turned


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_each_change_of_colour_equals_its_formula_and_that_of_pillow(share: float, square: np.ndarray) -> None:
    def jittered(*strength: float) -> np.ndarray:
        return colour_jitter(square, strength, Drawn(share)).astype(float)  # type: ignore[arg-type]

    x, by = square.astype(float), 2 * share - 1
    factor = 1 + 0.4 * by
    for found, level, enhance in (
        (jittered(0.4, 0, 0, 0), np.zeros(1), ImageEnhance.Brightness),
        (jittered(0, 0.4, 0, 0), luma(x).mean(), ImageEnhance.Contrast),
        (jittered(0, 0, 0.4, 0), luma(x), ImageEnhance.Color),
    ):
        np.testing.assert_allclose(found, np.clip(level + factor * (x - level), 0, 255), atol=1)
        np.testing.assert_allclose(found, enhance(Image.fromarray(square)).enhance(factor), atol=2)
    error = np.abs(jittered(0, 0, 0, 0.1) - with_hue_turned(x, 0.1 * by))  # hue and saturation have 8 bits
    assert error.mean() < 1
    assert error.max() < 8


def test_changes_of_colour_follow_each_other_and_are_clipped_between(square: np.ndarray) -> None:
    x = np.clip(square * 1.4, 0, 255)
    x = np.clip(1.4 * x - 0.4 * luma(x).mean(), 0, 255)
    x = np.clip(1.2 * x - 0.2 * luma(x), 0, 255)
    found = colour_jitter(square, (0.4, 0.4, 0.2, 0.1), Drawn(1.0))  # type: ignore[arg-type]
    error = np.abs(found - with_hue_turned(x, 0.1))
    assert error.mean() < 1.5
    assert error.max() < 8


def test_changes_of_colour_come_in_every_order(square: np.ndarray) -> None:
    class Ordered(Drawn):
        def __init__(self, seed: int) -> None:
            super().__init__(0.9)
            self.permutation = default_rng(seed).permutation

    strength = (0.4, 0.4, 0.2, 0.1)
    results = {colour_jitter(square, strength, Ordered(seed)).tobytes() for seed in range(200)}  # type: ignore[arg-type]
    assert len(results) == 24


def test_no_strength_leaves_the_image_alone(square: np.ndarray) -> None:
    assert np.array_equal(colour_jitter(square, (0, 0, 0, 0), default_rng(0)), square)


def test_grey_crops_have_the_luma_in_every_channel(square: np.ndarray) -> None:
    crops, _ = multi_crop(square, CropsConfig(**WHOLE, **(PLAIN | {"grey_probability": 1.0})), Drawn(0.7))  # type: ignore[arg-type]
    assert (crops == crops[..., :1]).all()
    np.testing.assert_allclose(crops[0, ..., 0].astype(int), Image.fromarray(square).convert("L"), atol=1)


def test_solarising_inverts_the_bright_half_of_the_values(square: np.ndarray) -> None:
    crops, local = multi_crop(square, CropsConfig(**WHOLE, **(PLAIN | {"solarise_probability": 1.0})), Drawn(0.7))  # type: ignore[arg-type]
    assert np.array_equal(crops[0], square)
    assert np.array_equal(crops[1], ImageOps.solarize(Image.fromarray(square)))
    assert np.array_equal(local[0], square)


@pytest.mark.parametrize("share", [0.5, 0.7, 0.999])
def test_blur_is_a_gaussian_of_nine_taps(share: float, square: np.ndarray) -> None:
    crops, _ = multi_crop(square, CropsConfig(**WHOLE, **(PLAIN | {"blur_probability": (1, 1, 1)})), Drawn(share))  # type: ignore[arg-type]
    kernel = np.exp(-(np.arange(-4, 5) ** 2) / (2 * (0.1 + 1.9 * share) ** 2))
    kernel /= kernel.sum()
    padded = np.pad(square.astype(float), ((4, 4), (4, 4), (0, 0)), mode="reflect")
    rows = sum(kernel[i] * padded[i : i + SIDE] for i in range(9))
    np.testing.assert_allclose(crops[0], sum(kernel[i] * rows[:, i : i + SIDE] for i in range(9)), atol=0.51)


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({"blur_probability": (0.0, 0.9, 0.5)}, (0.0, 0.9, 0.5)),
        ({"solarise_probability": 0.2}, (0.0, 0.2, 0.0)),
        ({"grey_probability": 0.2}, (0.2, 0.2, 0.2)),
        ({"jitter_probability": 0.8}, (0.8, 0.8, 0.8)),
    ],
)
def test_operations_are_as_frequent_as_the_recipe_says(
    settings: dict, shares: tuple[float, ...], square: np.ndarray
) -> None:
    assert {name: getattr(CropsConfig(), name) for name in settings} == settings
    config, rng, plain = CropsConfig(**WHOLE, **(PLAIN | settings)), default_rng(0), {square.tobytes()}
    plain.add(np.ascontiguousarray(square[:, ::-1]).tobytes())
    draws = [
        [crop.tobytes() not in plain for part in multi_crop(square, config, rng) for crop in part] for _ in range(400)
    ]
    for found, share in zip(np.mean(draws, axis=0), shares, strict=True):
        assert 0.9 * share - 0.05 < found < share + 0.05  # a blur of less than a quarter of a pixel shows nothing
        assert share or not found


def test_the_image_is_left_as_it_was_and_not_shared(square: np.ndarray) -> None:
    before = square.copy()
    for seed in range(20):
        for crops in multi_crop(square, CropsConfig(**WHOLE), default_rng(seed)):
            crops[:] = 0
    assert np.array_equal(square, before)


def test_shrinking_does_not_alias() -> None:
    checkers = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    crop = random_resized_crop(np.repeat(checkers[..., None], 3, 2), 32, (0.9, 1.0), default_rng(0))
    assert crop.std() < 12


@pytest.mark.parametrize(
    "config",
    [CropsConfig(), CropsConfig(local_count=0), CropsConfig(global_size=98, local_size=42, global_scale=(0.1, 1.0))],
)
def test_no_crop_is_magnified_because_an_image_was_decoded_smaller(config: CropsConfig) -> None:
    def smallest_side(height: int, width: int, size: int, scale: tuple[float, float]) -> float:
        """Of all boxes that `scale` and the aspects from 3/4 to 4/3 allow, in sizes of the crop."""
        sides = [
            (round((height * width * share * aspect) ** 0.5), round((height * width * share / aspect) ** 0.5))
            for share, aspect in itertools.product(np.linspace(*scale, 9), np.geomspace(3 / 4, 4 / 3, 9))
        ]
        return min([min(w, h) for w, h in sides if w <= width and h <= height], default=min(height, width)) / size

    def smallest_crop(height: int, width: int) -> float:
        found = smallest_side(height, width, config.global_size, config.global_scale)
        if config.local_count:
            found = min(found, smallest_side(height, width, config.local_size, config.local_scale))
        return found

    for ratio in (1, 1.01, 4 / 3, 1.5, 2, 5, 20):
        long = round(config.shortest * ratio)
        assert smallest_crop(config.shortest, long) >= 1
        assert smallest_crop(long, config.shortest) >= 1
    shorter = round(0.98 * config.shortest)
    assert smallest_crop(shorter, shorter) < 1


def test_crops_of_a_smaller_decoded_image_look_like_those_of_the_whole() -> None:
    config = CropsConfig(global_size=98, global_scale=(0.5, 1.0), local_count=0)
    file = io.BytesIO()
    Image.fromarray(photograph("coffee.png")).save(file, "JPEG", quality=90)
    whole, smaller = (decode_rgb(file.getvalue(), shortest) for shortest in (None, config.shortest))
    assert whole.shape == (400, 600, 3)
    assert smaller.shape == (200, 300, 3)
    for h, w, bound in ((100, 100, 3.0), (122, 163, 1.5), (200, 300, 0.6)):
        for top, left in itertools.product((0, 200 - h), (0, 300 - w)):
            expected = resample(whole[2 * top : 2 * (top + h), 2 * left : 2 * (left + w)], 98, 98)
            error = np.abs(resample(smaller[top : top + h, left : left + w], 98, 98) - expected.astype(float))
            assert error.mean() < bound


def test_scales_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"local_scale \[0.5, 0.1\]"):
        CropsConfig(local_scale=(0.5, 0.1))
