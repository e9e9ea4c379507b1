"""Common corruptions of images in five severities, for any set: those of ImageNet-C that need nothing but the image.

Hendrycks and Dietterich 2019, appendix A, with the constants of their released code, which are meant for images of 224
pixels. Their snow, frost, fog, glass, elastic and zoom are left out, so that means over these are not their mCE.
"""

import hashlib
from collections.abc import Callable

import cv2
import numpy as np

from dinov2.data.images import Pixels

SEVERITIES = (1, 2, 3, 4, 5)

GAUSSIAN = (0.08, 0.12, 0.18, 0.26, 0.38)
"""Deviation, of values from 0 to 1."""
SHOT = (60, 25, 12, 5, 3)
"""Photons of a white pixel."""
IMPULSE = (0.03, 0.06, 0.09, 0.17, 0.27)
"""Share of the values that become black or white."""
DEFOCUS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
"""Radius of the disc, and deviation of the Gaussian that softens its rim, in pixels."""
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
"""Half of how far it reaches, and deviation along it, in pixels."""
BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Added to the value of HSV."""
CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
"""What is left of it."""
PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)
"""Size that the image is shrunk to."""
JPEG = (25, 18, 15, 10, 7)
"""Quality."""

Values = np.ndarray
"""(H, W, 3) float32 from 0 to 1."""
Corruption = Callable[[Values, int, np.random.Generator], Values]


def corrupt(image: Pixels, name: str, severity: int, key: str) -> Pixels:
    """An image corrupted; its key and the corruption draw whatever is random, so that it is always the same.

    Args:
        image: (H, W, 3) uint8 RGB.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        key: of the image.
    """
    assert severity in SEVERITIES, f"severity {severity}"
    seed = hashlib.sha256(f"{name} {severity} {key}".encode("utf-8", "surrogateescape")).digest()
    generator = np.random.default_rng(int.from_bytes(seed[:8], "little"))
    values = CORRUPTIONS[name](image.astype(np.float32) / 255, severity - 1, generator)
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8)


def _gaussian_noise(x: Values, level: int, generator: np.random.Generator) -> Values:
    return x + generator.normal(scale=GAUSSIAN[level], size=x.shape)


def _shot_noise(x: Values, level: int, generator: np.random.Generator) -> Values:
    return generator.poisson(x * SHOT[level]) / SHOT[level]


def _impulse_noise(x: Values, level: int, generator: np.random.Generator) -> Values:
    hit = generator.random(x.shape) < IMPULSE[level]
    return np.where(hit, generator.integers(0, 2, x.shape), x)


def _defocus_blur(x: Values, level: int, _: np.random.Generator) -> Values:
    radius, softness = DEFOCUS[level]
    reach = max(8, radius)
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (down**2 + across**2 <= radius**2).astype(np.float32)
    side = 3 if radius <= 8 else 5
    kernel = cv2.GaussianBlur(disc, (side, side), softness)
    return cv2.filter2D(x, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def _motion_blur(x: Values, level: int, generator: np.random.Generator) -> Values:
    """Along a direction within 45° of the horizontal, and to one side only, as ImageMagick does it."""
    half, deviation = MOTION[level]
    steps = np.arange(2 * half + 1)
    angle = np.deg2rad(generator.uniform(-45, 45))
    kernel = np.zeros((4 * half + 1, 4 * half + 1), np.float32)
    rows, columns = (2 * half + np.rint(steps * part(angle)).astype(int) for part in (np.sin, np.cos))
    np.add.at(kernel, (rows, columns), np.exp(-(steps**2) / (2 * deviation**2)))
    return cv2.filter2D(x, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def _brightness(x: Values, level: int, _: np.random.Generator) -> Values:
    hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)
    hsv[:, :, 2] = (hsv[:, :, 2] + BRIGHTNESS[level]).clip(0, 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _contrast(x: Values, level: int, _: np.random.Generator) -> Values:
    mean = x.mean(axis=(0, 1), keepdims=True)
    return (x - mean) * CONTRAST[level] + mean


def _pixelate(x: Values, level: int, _: np.random.Generator) -> Values:
    height, width = x.shape[:2]
    small = (max(1, int(width * PIXELATE[level])), max(1, int(height * PIXELATE[level])))
    shrunk = cv2.resize(x, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_NEAREST)


def _jpeg(x: Values, level: int, _: np.random.Generator) -> Values:
    pixels = np.rint(x[:, :, ::-1] * 255).astype(np.uint8)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG[level]])[1]
    found = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert found is not None, "OpenCV reads what it writes"
    return found[:, :, ::-1].astype(np.float32) / 255


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "defocus_blur": _defocus_blur,
    "motion_blur": _motion_blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg,
}
