"""Edits of families that no view of `trained` has (dinov2/curation/descriptors/trained/views.py and edits.py).

Those views have crops, turns, perspective, mirror images, frames, bars, text, drawings, collages, mixtures, blur,
noise, sharpening, compression, few pixels or blocks, and curves of light and colour: few levels and negatives too.

Each edit takes (H, W, 3) uint8 and a generator of all its randomness, gives the same shape and leaves the picture one
that people know at once. Lengths are shares of the shortest side.
"""

import math

import cv2
import numpy as np
from numpy.random import Generator

from dinov2.curation.descriptors.trained.edits import Edit, between
from dinov2.data.images import Pixels

BAYER = np.array([(0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5)])
RELIEF = np.array([(-2, -1, 0), (-1, 0, 1), (0, 1, 2)])


def swirl(image: Pixels, rng: Generator) -> Pixels:
    """Twisted around a place near its middle."""
    height, width = image.shape[:2]
    row, column = (length * between(0.4, 0.6, rng) for length in (height, width))
    y, x = np.indices((height, width), np.float32) - np.array([row, column], np.float32)[:, None, None]
    inside = np.maximum(0, 1 - np.hypot(x, y) / (between(0.6, 0.8, rng) * min(height, width)))
    angle = rng.choice([-1, 1]) * between(1.0, 2.0, rng) * inside
    cos, sin = np.cos(angle), np.sin(angle)
    return _moved(image, column + cos * x - sin * y, row + sin * x + cos * y)


def wave(image: Pixels, rng: Generator) -> Pixels:
    """Rows and columns sway, as seen through water."""
    side = min(image.shape[:2])
    y, x = np.indices(image.shape[:2], np.float32)
    moves = []
    for along in (y, x):
        turns = 2 * math.pi * (along / (between(0.15, 0.4, rng) * side) + rng.random())
        moves.append(between(0.015, 0.035, rng) * side * np.sin(turns))
    return _moved(image, x + moves[0], y + moves[1])


def strips(image: Pixels, rng: Generator) -> Pixels:
    """Cut into strips, of which neighbours change places."""
    axis, count = int(rng.integers(2)), 2 * int(rng.integers(4, 7))
    cut = np.array_split(image, count, axis=axis)
    return np.concatenate([cut[number ^ 1] for number in range(count)], axis=axis)


def halftone(image: Pixels, rng: Generator) -> Pixels:
    """Printed: dots of three inks, larger where there is more ink, on screens at different angles."""
    y, x = np.indices(image.shape[:2], np.float32)
    pitch = 2 * math.pi / (between(0.03, 0.045, rng) * min(image.shape[:2]))
    first, screens = between(0, math.pi / 6, rng), []
    for angle in (first, first + math.pi / 6, first + math.pi / 3):
        cos, sin = math.cos(angle) * pitch, math.sin(angle) * pitch
        screens.append(np.cos(cos * x + sin * y) + np.cos(cos * y - sin * x))
    threshold = 0.5 + 0.24 * np.stack(screens, axis=-1)
    return _clipped(255 * (0.5 + 4 * (image / 255 - threshold)))


def dither(image: Pixels, rng: Generator) -> Pixels:
    """Eight colours, mixed by a regular pattern, as on old screens."""
    height, width = image.shape[:2]
    cell = max(1, round(between(0.008, 0.014, rng) * min(height, width)))
    y, x = np.indices((height, width)) // cell + rng.integers(4, size=(2, 1, 1))
    threshold = (BAYER[y % 4, x % 4] + 0.5) / 16 * 255
    return np.where(image > threshold[..., None], 255, 0).astype(np.uint8)


def sketch(image: Pixels, rng: Generator) -> Pixels:
    """Drawn with a pencil: dark where it is darker than its surroundings."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    around = cv2.GaussianBlur(grey, (0, 0), between(0.01, 0.025, rng) * min(image.shape[:2]))
    paper = np.minimum(1, (grey + 16.0) / (around + 16.0)) ** between(1.5, 3.0, rng)
    return np.repeat(_clipped(255 * paper)[..., None], 3, axis=2)


def emboss(image: Pixels, rng: Generator) -> Pixels:
    """A grey relief under light from one of the corners."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.004 * min(image.shape[:2]))
    kernel = np.rot90(RELIEF, int(rng.integers(4))) * between(0.6, 1.2, rng)
    relief = cv2.filter2D(grey, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.repeat(_clipped(128 + relief)[..., None], 3, axis=2)


def oil(image: Pixels, rng: Generator) -> Pixels:
    """Painted: every place takes the mean colour of the commonest of eight lights around it."""
    brush = 2 * round(between(0.015, 0.025, rng) * min(image.shape[:2])) + 1
    level = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) // 32
    shares = [cv2.blur((level == light).astype(np.float32), (brush, brush)) for light in range(8)]
    commonest = np.argmax(shares, axis=0)
    painted = np.zeros(image.shape, np.float32)
    for light, share in enumerate(shares):
        own = commonest == light
        total = cv2.blur(image * (level == light)[..., None].astype(np.float32), (brush, brush))
        painted[own] = total[own] / share[own][:, None]
    return _clipped(painted)


def moire(image: Pixels, rng: Generator) -> Pixels:
    """Photographed from a screen: its lines, and the coloured bands where they meet the camera's."""
    side = min(image.shape[:2])
    y, x = np.indices(image.shape[:2], np.float32) / side
    angle, bands, bend = between(0, math.pi, rng), between(6, 12, rng), between(0.1, 0.3, rng)
    along = math.cos(angle) * x + math.sin(angle) * y + bend * (x - 0.5) * (y - 0.5)
    turns = 2 * math.pi * (bands * along[..., None] + np.arange(3) * between(0.1, 0.2, rng))
    lines = np.cos(2 * math.pi * between(60, 90, rng) * y)[..., None]
    return _clipped(image * (1 + 0.35 * np.cos(turns)) * (1 + 0.2 * lines) + 12)


def vignette(image: Pixels, rng: Generator) -> Pixels:
    """An old lens: dark corners, and light that leaks in from one side."""
    height, width = image.shape[:2]
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in (height, width))
    off = (y[:, None] - between(-0.2, 0.2, rng)) ** 2 + (x - between(-0.2, 0.2, rng)) ** 2
    dark = np.exp(-between(0.7, 1.2, rng) * off)[..., None]
    leak = np.exp(-between(2.0, 4.0, rng) * (1 + rng.choice([-1, 1]) * x))[None, :, None]
    return _clipped(image * dark + leak * np.array([220, 110, 40]))


EDITS: dict[str, Edit] = {
    edit.__name__: edit
    for edit in (swirl, wave, strips, halftone, dither, sketch, emboss, oil, moire, vignette)
}  # fmt: skip


def _moved(image: Pixels, x: np.ndarray, y: np.ndarray) -> Pixels:
    """What lies at (x, y) of the image, each (H, W)."""
    places = x.astype(np.float32), y.astype(np.float32)
    return cv2.remap(image, *places, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _clipped(image: np.ndarray) -> Pixels:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
