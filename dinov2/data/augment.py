"""Multi-crop augmentation (Caron et al. 2020, SwAV; constants of DINOv2), in OpenCV on 8-bit images."""

import math
from collections.abc import Callable
from typing import Annotated, Self

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from dinov2.config import Config

Image = NDArray[np.uint8]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Scale = Annotated[float, Field(gt=0.0, le=1.0)]

ASPECT = (3 / 4, 4 / 3)
ATTEMPTS = 10
BLUR_KERNEL = (9, 9)
BLUR_SIGMA = (0.1, 2.0)
SOLARISE_FROM = 128


class CropsConfig(Config):
    """Sizes in pixels, scales as shares of the image's area. Defaults are the paper's."""

    global_size: PositiveInt = 224
    global_scale: tuple[Scale, Scale] = (0.32, 1.0)
    local_size: PositiveInt = 98
    local_scale: tuple[Scale, Scale] = (0.05, 0.32)
    local_count: Annotated[int, Field(ge=0)] = 8
    jitter: tuple[Share, Share, Share, Annotated[float, Field(ge=0, le=0.5)]] = Field(
        (0.4, 0.4, 0.2, 0.1), description="brightness, contrast, saturation, hue"
    )
    jitter_probability: Share = 0.8
    grey_probability: Share = 0.2
    blur_probability: tuple[Share, Share, Share] = Field(
        (0.0, 0.9, 0.5),
        description="first global, second global, local. As the models were released; the paper prints 1.0, 0.1, 0.5",
    )
    solarise_probability: Share = Field(0.2, description="second global crop only")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("global_scale", "local_scale"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} {[low, high]}: the first must not be above the second")
        return self

    @property
    def shortest(self) -> int:
        """Shortest side at which an image can be decoded so that the smallest crop is not magnified by it."""
        sides = [self.global_size / math.sqrt(self.global_scale[0])]
        sides += [self.local_size / math.sqrt(self.local_scale[0])] if self.local_count else []
        return math.ceil(max(sides))


def multi_crop(image: Image, config: CropsConfig, rng: Generator) -> tuple[Image, Image]:
    """The crops of one image.

    Args:
        image: (H, W, 3) RGB.
        config: sizes, scales and probabilities.
        rng: all randomness.

    Returns:
        Global crops (2, G, G, 3) and local crops (local_count, L, L, 3).
    """
    first_blur, second_blur, local_blur = config.blur_probability
    first = _crop(image, config.global_size, config.global_scale, config, first_blur, 0.0, rng)
    second = _crop(
        image, config.global_size, config.global_scale, config, second_blur, config.solarise_probability, rng
    )
    local = [
        _crop(image, config.local_size, config.local_scale, config, local_blur, 0.0, rng)
        for _ in range(config.local_count)
    ]
    size = config.local_size
    return np.stack([first, second]), np.stack(local) if local else np.empty((0, size, size, 3), np.uint8)


def _crop(
    image: Image,
    size: int,
    scale: tuple[float, float],
    config: CropsConfig,
    blur: float,
    solarise: float,
    rng: Generator,
) -> Image:
    crop = random_resized_crop(image, size, scale, rng)
    if rng.random() < 0.5:
        crop = cv2.flip(crop, 1)
    if rng.random() < config.jitter_probability:
        crop = colour_jitter(crop, config.jitter, rng)
    if rng.random() < config.grey_probability:
        crop = _grey(crop)
    if rng.random() < blur:
        crop = cv2.GaussianBlur(crop, BLUR_KERNEL, rng.uniform(*BLUR_SIGMA))
    if rng.random() < solarise:
        crop = np.where(crop >= SOLARISE_FROM, 255 - crop, crop)
    return crop


def random_resized_crop(image: Image, size: int, scale: tuple[float, float], rng: Generator) -> Image:
    """Cut out a rectangle of random area and aspect and resize it to `size` x `size`.

    Bicubic when magnifying, area averages when shrinking: both without aliasing.
    """
    top, left, height, width = _box(image.shape[0], image.shape[1], scale, rng)
    part = image[top : top + height, left : left + width]
    shrinking = height > size and width > size
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)


def _box(height: int, width: int, scale: tuple[float, float], rng: Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the crop; the largest centred box of allowed aspect when ten draws do not fit."""
    for _ in range(ATTEMPTS):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    w = min(width, max(1, round(height * ASPECT[1])))
    h = min(height, max(1, round(width / ASPECT[0])))
    return (height - h) // 2, (width - w) // 2, h, w


def colour_jitter(image: Image, strength: tuple[float, float, float, float], rng: Generator) -> Image:
    """Change brightness, contrast, saturation and hue in random order, by at most `strength`."""
    brightness, contrast, saturation, hue = strength
    changes: list[Callable[[Image], Image]] = [
        lambda img: _blend(img, 0.0, rng.uniform(1 - brightness, 1 + brightness)),
        lambda img: _blend(img, float(_luma(img).mean()), rng.uniform(1 - contrast, 1 + contrast)),
        lambda img: _saturate(img, rng.uniform(1 - saturation, 1 + saturation)),
        lambda img: _shift_hue(img, rng.uniform(-hue, hue)),
    ]
    for number in rng.permutation(4):
        image = changes[number](image)
    return image


def _blend(image: Image, level: float, factor: float) -> Image:
    table = np.clip(np.arange(256) * factor + level * (1 - factor), 0, 255).astype(np.uint8)
    return cv2.LUT(image, table)


def _luma(image: Image) -> Image:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _grey(image: Image) -> Image:
    return cv2.cvtColor(_luma(image), cv2.COLOR_GRAY2RGB)


def _saturate(image: Image, factor: float) -> Image:
    return cv2.addWeighted(image, factor, _grey(image), 1 - factor, 0)


def _shift_hue(image: Image, turn: float) -> Image:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(turn * 256) % 256)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
