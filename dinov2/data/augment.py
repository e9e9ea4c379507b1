"""Multi-crop augmentation (Caron et al. 2020, SwAV; constants of DINOv2), on 8-bit images."""

import math
from collections.abc import Callable
from typing import Annotated, Self

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from dinov2.config import Config
from dinov2.data.images import resample

Image = NDArray[np.uint8]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Scale = Annotated[float, Field(gt=0.0, le=1.0)]

ASPECT = (3 / 4, 4 / 3)
LOG_ASPECT = (math.log(ASPECT[0]), math.log(ASPECT[1]))
ATTEMPTS = 10
BLUR_TAPS = 9
BLUR_SIGMA = (0.1, 2.0)
LUMA = np.array([0.299, 0.587, 0.114])


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
        """Shortest side at which an image can be decoded so that no crop is magnified for it.

        A crop of the share s of a square with side S is S sqrt(s · 3/4) pixels high when it is as wide as it may be.
        """
        smallest = min(ASPECT)
        sides = [self.global_size / math.sqrt(self.global_scale[0] * smallest)]
        sides += [self.local_size / math.sqrt(self.local_scale[0] * smallest)] if self.local_count else []
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
    large, small = (config.global_size, config.global_scale), (config.local_size, config.local_scale)
    crops = np.empty((2, config.global_size, config.global_size, 3), np.uint8)
    crops[0] = _crop(image, *large, config, first_blur, 0.0, rng)
    crops[1] = _crop(image, *large, config, second_blur, config.solarise_probability, rng)
    local = np.empty((config.local_count, config.local_size, config.local_size, 3), np.uint8)
    for number in range(config.local_count):
        local[number] = _crop(image, *small, config, local_blur, 0.0, rng)
    return crops, local


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
    flipped, jittered, greyed, blurred, sigma, solarised = rng.random(6).tolist()
    if flipped < 0.5:
        crop = cv2.flip(crop, 1)
    if jittered < config.jitter_probability:
        crop = colour_jitter(crop, config.jitter, rng)
    if greyed < config.grey_probability:
        crop = _saturate(crop, 0.0)
    if blurred < blur:
        taps = cv2.getGaussianKernel(BLUR_TAPS, _between(BLUR_SIGMA, sigma), cv2.CV_32F)
        crop = cv2.sepFilter2D(crop, -1, taps, taps)  # half the time of cv2.GaussianBlur, and exact
    if solarised < solarise:
        crop = np.minimum(crop, 255 - crop)  # inverts 128 and above
    return crop


def random_resized_crop(image: Image, size: int, scale: tuple[float, float], rng: Generator) -> Image:
    """Cut out a rectangle of random area and aspect and resize it to `size` x `size`."""
    top, left, height, width = _box(image.shape[0], image.shape[1], scale, rng)
    return resample(image[top : top + height, left : left + width], size, size)


def _box(height: int, width: int, scale: tuple[float, float], rng: Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the crop; the largest centred box of allowed aspect when ten draws do not fit."""
    for share, shape, top, left in rng.random((ATTEMPTS, 4)).tolist():
        area = height * width * _between(scale, share)
        aspect = math.exp(_between(LOG_ASPECT, shape))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(top * (height - h + 1)), int(left * (width - w + 1)), h, w
    w = min(width, max(1, round(height * ASPECT[1])))
    h = min(height, max(1, round(width / ASPECT[0])))
    return (height - h) // 2, (width - w) // 2, h, w


def _between(limits: tuple[float, float], share: float) -> float:
    return limits[0] + (limits[1] - limits[0]) * share


def colour_jitter(image: Image, strength: tuple[float, float, float, float], rng: Generator) -> Image:
    """Change brightness, contrast, saturation and hue in random order, by at most `strength`; each step is clipped."""
    draws = rng.random(4).tolist()
    brightness, contrast, saturation, hue = (_between((-s, s), u) for s, u in zip(strength, draws, strict=True))
    changes: list[Callable[[Image], Image]] = [
        lambda img: _blend(img, 1 + brightness, 0.0),
        lambda img: _blend(img, 1 + contrast, float(LUMA @ cv2.mean(img)[:3])),
        lambda img: _saturate(img, 1 + saturation),
        lambda img: _shift_hue(img, hue),
    ]
    for number in rng.permutation(4):
        if strength[number]:
            image = changes[number](image)
    return image


def _blend(image: Image, factor: float, level: float) -> Image:
    """Away from `level` by `factor`: cv2.transform rounds and clips, in less than half the time of a table."""
    rest = level * (1 - factor)
    return cv2.transform(image, np.array([[factor, 0, 0, rest], [0, factor, 0, rest], [0, 0, factor, rest]]))


def _saturate(image: Image, factor: float) -> Image:
    """Away from each pixel's own grey by `factor`; 0 makes the image grey."""
    return cv2.transform(image, factor * np.eye(3) + (1 - factor) * LUMA)


def _shift_hue(image: Image, turn: float) -> Image:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(turn * 256) % 256)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
