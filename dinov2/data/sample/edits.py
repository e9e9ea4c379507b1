"""Near-duplicates: what happens to a picture on its way around the web."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from dinov2.data.images import Pixels, decode_rgb

QUALITY = 90


def to_jpeg(pixels: Pixels, quality: int = QUALITY) -> bytes:
    """(H, W, 3) RGB as a JPEG file."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _exact(jpeg: bytes, _: Generator) -> bytes:
    return jpeg


def _recompressed(jpeg: bytes, rng: Generator) -> bytes:
    return to_jpeg(decode_rgb(jpeg), int(rng.integers(35, 65)))


def _cropped(jpeg: bytes, rng: Generator) -> bytes:
    pixels = decode_rgb(jpeg)
    height, width = pixels.shape[:2]
    h, w = (round(side * rng.uniform(0.9, 0.97)) for side in (height, width))
    top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
    return to_jpeg(np.ascontiguousarray(pixels[top : top + h, left : left + w]))


def _resized(jpeg: bytes, rng: Generator) -> bytes:
    scale = rng.uniform(0.6, 0.85)
    return to_jpeg(cv2.resize(decode_rgb(jpeg), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _brightness(jpeg: bytes, rng: Generator) -> bytes:
    gain = rng.choice((rng.uniform(0.7, 0.85), rng.uniform(1.15, 1.3)))
    return to_jpeg(np.clip(decode_rgb(jpeg) * gain, 0, 255).astype(np.uint8))


EDITS: dict[str, Callable[[bytes, Generator], bytes]] = {
    "exact": _exact,
    "recompressed": _recompressed,
    "cropped": _cropped,
    "resized": _resized,
    "brightness": _brightness,
}
"""Kinds of edit: from the bytes of a JPEG to those of its copy."""
