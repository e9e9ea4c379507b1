"""The views that the network learns from: each image once edited lightly, else strongly, alone or with another."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from dinov2.curation.descriptors.trained import edits
from dinov2.curation.descriptors.trained.edits import Edit, between, log_between, reframe, some
from dinov2.data.images import Pixels

LIGHT: tuple[tuple[float, Edit], ...] = ((0.2, edits.mirror), (0.2, edits.recolour), (0.1, edits.compress))
BEFORE: tuple[tuple[float, Edit], ...] = (
    (0.4, edits.mirror), (0.07, edits.quarter), (0.5, edits.recolour), (0.12, edits.grey), (0.1, edits.tone),
)  # fmt: skip
AFTER: tuple[tuple[float, Edit], ...] = (
    (0.1, edits.pad), (0.25, edits.write), (0.15, edits.draw), (0.15, edits.blur), (0.1, edits.shrink),
    (0.08, edits.noise), (0.05, edits.sharpen), (0.35, edits.compress),
)  # fmt: skip
TOGETHER = 0.35
"""Share of the strongly edited views that show a second image of the batch too."""
CANVAS = (1.0, 2.2)
"""Edits happen at this many times the network's resolution."""
SEEN = 0.2
"""A view is a positive of those of an image that fills at least this share of it."""


@dataclass(frozen=True)
class View:
    """An edited image, (S, S, 3) uint8, and what share of it the image and its partner fill or count for."""

    pixels: Pixels
    share: float = 1.0
    partner_share: float = 0.0


def light(image: Pixels, side: int, rng: Generator) -> View:
    """As images are found in a pool: whole, or cropped a little."""
    if rng.random() < 0.5:
        image = reframe(image, 2 * side, rng, (0.5, 1.0), 1.2, 0, 0)
    return View(_resized(some(image, LIGHT, rng), side))


def strong(image: Pixels, partner: Pixels, side: int, rng: Generator, strength: float = 1.0) -> View:
    """As copies are made.

    Args:
        image: (H, W, 3) uint8.
        partner: another image of the batch, which collages and mixtures show too.
        side: S of the view.
        rng: all randomness.
        strength: 0 to 1; probabilities of edits and bounds of crops and angles are scaled by it.
    """
    canvas = round(side * between(*CANVAS, rng))
    view = View(_edited(image, canvas, rng, strength))
    if rng.random() < TOGETHER * strength:
        way = (collage, collage, collage, grid, sticker, mixture)[rng.integers(6)]
        view = way(view.pixels, _edited(partner, canvas, rng, strength), rng)
    return View(_resized(some(view.pixels, AFTER, rng, strength), side), view.share, view.partner_share)


def _edited(image: Pixels, canvas: int, rng: Generator, strength: float) -> Pixels:
    """A crop, seldom the whole, that may be turned or seen at an angle, in other colours."""
    low = 1 - (0.8 if rng.random() < 0.4 else 0.5) * strength
    aspect = 1 + 0.7 * strength
    turn = 35.0 * strength if rng.random() < 0.35 else 0.0
    bend = 0.12 * strength if rng.random() < 0.15 else 0.0
    area, aspect = ((1.0, 1.0), 1.0) if rng.random() < 0.25 else ((low, 1.0), aspect)
    return some(reframe(image, canvas, rng, area, aspect, turn, bend), BEFORE, rng, strength)


def collage(image: Pixels, partner: Pixels, rng: Generator) -> View:
    """The image on top of its partner."""
    side = len(image)
    height, width = (int(between(0.35, 0.8, rng) * side) for _ in range(2))
    if rng.random() < 0.5:
        width = height
    picture = _pasted(image, partner, height, width, rng)
    share = height * width / side**2
    return View(picture, 1.0, 1 - share)


def sticker(image: Pixels, partner: Pixels, rng: Generator) -> View:
    """Its partner, small, on top of the image."""
    side = len(image)
    size = int(log_between(0.15, 0.5, rng) * side)
    return View(_pasted(partner, image, size, size, rng), 1.0, size**2 / side**2)


def grid(image: Pixels, partner: Pixels, rng: Generator) -> View:
    """Side by side, or above each other, or in the corners of four fields."""
    side = len(image)
    order = (image, partner) if rng.random() < 0.5 else (partner, image)
    kind = rng.random()
    if kind < 0.4:
        joined = np.concatenate(order, axis=1)
    elif kind < 0.8:
        joined = np.concatenate(order, axis=0)
    else:
        joined = np.concatenate([np.concatenate(order, axis=1), np.concatenate(order[::-1], axis=1)], axis=0)
    return View(cv2.resize(joined, (side, side), interpolation=cv2.INTER_AREA), 0.5, 0.5)


def mixture(image: Pixels, partner: Pixels, rng: Generator) -> View:
    """Both seen through each other (mixup, as a picture)."""
    share = between(0.4, 0.85, rng)
    return View(cv2.addWeighted(image, share, partner, 1 - share, 0), share, 1 - share)


def _pasted(upper: Pixels, lower: Pixels, height: int, width: int, rng: Generator) -> Pixels:
    side = len(lower)
    top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
    picture = lower.copy()
    picture[top : top + height, left : left + width] = cv2.resize(upper, (width, height), interpolation=cv2.INTER_AREA)
    return picture


def _resized(image: Pixels, side: int) -> Pixels:
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
