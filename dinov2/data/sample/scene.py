"""A scene: an object on a background that has nothing to do with it, among patches of other textures, in haze.

What a learner could take instead of the object is drawn independently of it: place, scale, rotation, perspective, flip,
hue, saturation, brightness, contrast, background and clutter. Depth can be seen: by size, occlusion and haze.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dinov2.data.images import Pixels
from dinov2.data.sample.photographs import BACKGROUNDS, CLASSES, Cutout, background, cutouts

SIDES = (96, 129)
COVERED = (0.22, 0.5)
"""Share of the scene's area that the object would cover, unoccluded."""

FAR, NEAR, FRONT = 9000, 4000, 1000
"""Millimetres: the ground at the top of the picture and at its bottom, and what lies in front of the object."""

HAZE_MM = 9000.0
NOISE = 3.0


@dataclass(frozen=True)
class Scene:
    """Pixels (H, W, 3) uint8, mask (H, W) uint8 (0 or 1 + the class's number) and depth (H, W) uint16 millimetres."""

    pixels: Pixels
    mask: NDArray[np.uint8]
    depth: NDArray[np.uint16]


def compose(rng: Generator, label: str | None, clean: bool = False) -> Scene:
    """Draw a scene.

    Args:
        rng: all that is random comes from it.
        label: class of the object, one of `CLASSES`; None for a scene of clutter alone.
        clean: little clutter and nothing before the object, as someone who curates would choose.
    """
    height, width = (int(side) for side in rng.integers(*SIDES, 2))
    pixels = _jitter(rng, _texture(rng, height, width), hue=90).astype(np.float32)
    depth = np.repeat(np.linspace(FAR, NEAR, height, dtype=np.float32)[:, None], width, axis=1)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(1 if clean else rng.integers(2, 5) if label else rng.integers(4, 9)):
        _patch(rng, pixels, depth, None)
    if label:
        choice = cutouts(label)
        alpha = _paste(rng, pixels, depth, choice[rng.integers(len(choice))])
        mask[alpha > 0.5] = 1 + CLASSES.index(label)
    if label and not clean and rng.random() < 0.4:
        mask[_patch(rng, pixels, depth, FRONT) > 0.5] = 0
    clear = np.exp(-depth / HAZE_MM)[:, :, None]
    hazy = pixels * clear + rng.uniform(140, 230) * (1 - clear)
    noisy = hazy + NOISE * rng.standard_normal(hazy.shape, np.float32)
    return Scene(np.clip(noisy, 0, 255).astype(np.uint8), mask, depth.astype(np.uint16))


def _texture(rng: Generator, height: int, width: int) -> Pixels:
    """A random crop of a random background, flipped or not."""
    source = background(int(rng.integers(len(BACKGROUNDS))))
    fit = min(source.shape[0] / height, source.shape[1] / width)
    zoom = fit * rng.uniform(0.35, 1.0)
    h, w = round(height * zoom), round(width * zoom)
    top, left = rng.integers(source.shape[0] - h + 1), rng.integers(source.shape[1] - w + 1)
    crop = source[top : top + h, left : left + w][:, :: rng.choice((-1, 1))]
    return cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA if zoom > 1 else cv2.INTER_LINEAR)


def _jitter(rng: Generator, image: Pixels, hue: float) -> Pixels:
    """Hue turned by up to `hue` (of OpenCV's 180), saturation, contrast and brightness changed, greys tinted."""
    levels = np.arange(256, dtype=np.float32)
    turned, saturated = (levels + rng.uniform(-hue, hue)) % 180, levels * rng.uniform(0.3, 1.2)
    coloured = _by_table(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), np.stack([turned, saturated, levels], axis=1))
    rgb = cv2.cvtColor(coloured, cv2.COLOR_HSV2RGB)
    mean = rgb.mean()
    changed = (levels - mean) * rng.uniform(0.6, 1.3) + mean * rng.uniform(0.5, 1.7)
    return _by_table(rgb, changed[:, None] * rng.uniform(0.75, 1.25, 3))


def _by_table(image: Pixels, table: NDArray[np.floating[Any]]) -> Pixels:
    """Each channel of (H, W, 3) replaced by its column of the (256, 3) table."""
    return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[None])


def _paste(
    rng: Generator, pixels: NDArray[np.float32], depth: NDArray[np.float32], cutout: Cutout
) -> NDArray[np.float32]:
    """Draw an object into the scene and return how much of each pixel it covers."""
    height, width = depth.shape
    h, w = cutout.alpha.shape
    covered = rng.uniform(*COVERED)
    scale = math.sqrt(covered * height * width / float(cutout.alpha.sum()))
    angle = rng.normal(0, math.radians(35))
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turn = turn @ np.array([[rng.choice((-1, 1)), rng.normal(0, 0.12)], [0, 1]])
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn.T
    corners = corners * (1 + rng.uniform(-0.1, 0.1, (4, 1))) + np.array([width, height]) * rng.uniform(0.3, 0.7, 2)
    original = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    transform = cv2.getPerspectiveTransform(original, corners.astype(np.float32))
    drawn = cv2.warpPerspective(_jitter(rng, cutout.pixels, hue=50), transform, (width, height), flags=cv2.INTER_AREA)
    alpha = cv2.warpPerspective(cutout.alpha, transform, (width, height))
    _blend(pixels, depth, drawn, alpha, 2000 * math.sqrt(COVERED[1] / covered))
    return alpha


def _patch(
    rng: Generator, pixels: NDArray[np.float32], depth: NDArray[np.float32], at: float | None
) -> NDArray[np.float32]:
    """Draw a blob of texture at a depth of `at`, or where the ground under it is; return how much it covers."""
    height, width = depth.shape
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    reach = rng.uniform(0.08, 0.16 if at else 0.3) * min(height, width)
    angles = np.sort(rng.uniform(0, 2 * math.pi, rng.integers(4, 10)))
    rim = reach * rng.uniform(0.6, 1.4, len(angles))
    outline = np.stack([x + rim * np.cos(angles), y + rim * np.sin(angles)], axis=1)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 255)
    alpha = cv2.GaussianBlur(mask, (3, 3), 0).astype(np.float32) / 255
    texture = _jitter(rng, _texture(rng, height, width), hue=90)
    ground = FAR + (NEAR - FAR) * min(1.0, (y + reach) / height)
    _blend(pixels, depth, texture, alpha, at or ground)
    return alpha


def _blend(
    pixels: NDArray[np.float32], depth: NDArray[np.float32], drawn: Pixels, alpha: NDArray[np.float32], at: float
) -> None:
    pixels += (drawn - pixels) * alpha[:, :, None]
    depth[alpha > 0.5] = at
