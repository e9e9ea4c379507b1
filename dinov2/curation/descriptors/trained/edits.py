"""Edits that people make to pictures they copy; each takes (H, W, 3) uint8 and a generator of all its randomness."""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator

from dinov2.data.augment import colour_jitter
from dinov2.data.images import Pixels

Edit = Callable[[Pixels, Generator], Pixels]

BORDERS = (cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE)
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !?@#&"


def between(low: float, high: float, rng: Generator) -> float:
    """Uniform."""
    return low + (high - low) * float(rng.random())


def log_between(low: float, high: float, rng: Generator) -> float:
    """Uniform in the logarithm."""
    return math.exp(between(math.log(low), math.log(high), rng))


def colour(rng: Generator) -> tuple[int, int, int]:
    """Any colour, often black or white."""
    choice = rng.random()
    if choice < 0.4:
        return (0, 0, 0) if choice < 0.2 else (255, 255, 255)
    red, green, blue = rng.integers(256, size=3).tolist()
    return red, green, blue


def reframe(
    image: Pixels, side: int, rng: Generator, area: tuple[float, float], aspect: float, turn: float, bend: float
) -> Pixels:
    """A crop, turned, seen at an angle and brought to (side, side, 3), in one resampling.

    Args:
        image: (H, W, 3).
        side: of the result.
        rng: all randomness.
        area: bounds of the crop's share of the image.
        aspect: the crop's shape may differ from the image's by so much, at least 1.
        turn: largest angle in degrees; what lies outside of the image is filled.
        bend: corners move by up to this share of the crop's sides.
    """
    height, width = image.shape[:2]
    share, shape = log_between(*area, rng), log_between(1 / aspect, aspect, rng)
    w, h = min(1.0, math.sqrt(share * shape)) * width, min(1.0, math.sqrt(share / shape)) * height
    centre = np.array([between(w / 2, width - w / 2, rng), between(h / 2, height - h / 2, rng)])
    corners = np.array([(-w, -h), (w, -h), (w, h), (-w, h)]) / 2
    corners += rng.uniform(-bend, bend, (4, 2)) * (w, h) if bend else 0
    angle = math.radians(between(-turn, turn, rng)) if turn else 0.0
    rotation = np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])
    source = (corners @ rotation + centre).astype(np.float32)
    target = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
    matrix = cv2.getPerspectiveTransform(source - 0.5, target - 0.5)
    border = BORDERS[rng.integers(len(BORDERS))]
    return cv2.warpPerspective(image, matrix, (side, side), borderMode=border, borderValue=colour(rng))


def mirror(image: Pixels, rng: Generator) -> Pixels:
    """Left to right, sometimes upside down."""
    return cv2.flip(image, 1 if rng.random() < 0.9 else 0)


def quarter(image: Pixels, rng: Generator) -> Pixels:
    """Turned by a quarter or a half."""
    return np.ascontiguousarray(np.rot90(image, 1 + int(rng.integers(3))))


def recolour(image: Pixels, rng: Generator) -> Pixels:
    """Brightness, contrast, saturation and hue."""
    return colour_jitter(image, (0.5, 0.5, 0.7, 0.15), rng)


def grey(image: Pixels, rng: Generator) -> Pixels:
    """Grey, sometimes tinted."""
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    tint = np.array([1, 1, 1]) if rng.random() < 0.6 else rng.uniform(0.6, 1.0, 3)
    return cv2.transform(light, tint[:, None])


def tone(image: Pixels, rng: Generator) -> Pixels:
    """Another curve for light: gamma, few levels, equalised or, seldom, inverted."""
    choice = rng.random()
    if choice < 0.5:
        curve: np.ndarray = 255 * (np.arange(256) / 255) ** log_between(0.4, 2.5, rng)
    elif choice < 0.75:
        levels = int(rng.integers(2, 8))
        curve = np.round(np.arange(256) / 255 * levels) / levels * 255
    elif choice < 0.9:
        return np.stack([cv2.equalizeHist(np.ascontiguousarray(image[..., c])) for c in range(3)], axis=-1)
    else:
        curve = 255.0 - np.arange(256)
    return cv2.LUT(image, curve.astype(np.uint8))


def blur(image: Pixels, rng: Generator) -> Pixels:
    """Out of focus, or moved."""
    side = image.shape[0]
    if rng.random() < 0.7:
        return cv2.GaussianBlur(image, (0, 0), log_between(0.005, 0.03, rng) * side)
    length = max(2, round(between(0.02, 0.08, rng) * side))
    return cv2.blur(image, (length, 1) if rng.random() < 0.5 else (1, length))


def shrink(image: Pixels, rng: Generator) -> Pixels:
    """Few pixels, magnified, smooth or in blocks."""
    height, width = image.shape[:2]
    few = round(log_between(20, 56, rng))
    method = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    small = cv2.resize(image, (few, few), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=method)


def compress(image: Pixels, rng: Generator) -> Pixels:
    """JPEG of low quality."""
    quality = round(log_between(4, 50, rng))
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def noise(image: Pixels, rng: Generator) -> Pixels:
    """Grain."""
    grain = rng.standard_normal((*image.shape[:2], 3 if rng.random() < 0.5 else 1), np.float32)
    return np.clip(image + grain * np.float32(log_between(5, 40, rng)), 0, 255).astype(np.uint8)


def sharpen(image: Pixels, rng: Generator) -> Pixels:
    """Unsharp mask."""
    amount = between(0.5, 3.0, rng)
    return cv2.addWeighted(image, 1 + amount, cv2.GaussianBlur(image, (0, 0), 1.5), -amount, 0)


def write(image: Pixels, rng: Generator) -> Pixels:
    """Lines of text anywhere, sometimes on a bar."""
    image = image.copy()
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        text = "".join(LETTERS[i] for i in rng.integers(len(LETTERS), size=int(rng.integers(2, 16))))
        scale = log_between(0.008, 0.03, rng) * height / 4
        place = int(between(-0.1, 0.7, rng) * width), int(between(0.05, 1.0, rng) * height)
        if rng.random() < 0.3:
            bar = round(30 * scale)
            cv2.rectangle(image, (0, place[1] - bar), (width, place[1] + bar // 3), colour(rng), -1)
        font = FONTS[rng.integers(len(FONTS))]
        thickness = max(1, round(scale * between(1, 4, rng)))
        cv2.putText(image, text, place, font, scale, colour(rng), thickness, cv2.LINE_AA)
    return image


def draw(image: Pixels, rng: Generator) -> Pixels:
    """Faces like emoji, discs, boxes and lines."""
    image = image.copy()
    side = image.shape[0]
    for _ in range(int(rng.integers(1, 5))):
        x, y = (int(value) for value in rng.uniform(0, side, 2))
        size = int(log_between(0.05, 0.22, rng) * side)
        kind = rng.random()
        if kind < 0.4:
            cv2.circle(image, (x, y), size, (255, 200 + int(rng.integers(40)), 40), -1, cv2.LINE_AA)
            for eye in (x - size // 3, x + size // 3):
                cv2.circle(image, (eye, y - size // 4), max(1, size // 7), (40, 30, 20), -1, cv2.LINE_AA)
            cv2.ellipse(image, (x, y + size // 6), (size // 2, size // 3), 0, 0, 180, (90, 40, 20), max(1, size // 8))
        elif kind < 0.6:
            cv2.circle(image, (x, y), size, colour(rng), -1, cv2.LINE_AA)
        elif kind < 0.85:
            cv2.rectangle(image, (x - size, y - size), (x + int(rng.integers(1, 2 * size + 2)), y), colour(rng), -1)
        else:
            cv2.line(image, (x, y), tuple(rng.integers(side, size=2).tolist()), colour(rng), max(1, size // 6))
    return image


def pad(image: Pixels, rng: Generator) -> Pixels:
    """A frame, bars on two sides, or a picture blurred behind it."""
    side = image.shape[0]
    kind = rng.random()
    top, left = (between(0.05, 0.35, rng) * side for _ in range(2))
    tall, wide = (int(top), 0) if kind < 0.33 else (0, int(left)) if kind < 0.66 else (int(top), int(left))
    inner = cv2.resize(image, (side - wide, side - tall), interpolation=cv2.INTER_AREA)
    canvas = cv2.GaussianBlur(image, (0, 0), side / 12) if rng.random() < 0.2 else np.full_like(image, colour(rng))
    y, x = int(rng.integers(tall + 1)), int(rng.integers(wide + 1))
    if rng.random() < 0.7:
        y, x = tall // 2, wide // 2
    canvas[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    return canvas


def some(image: Pixels, edits: Sequence[tuple[float, Edit]], rng: Generator, strength: float = 1.0) -> Pixels:
    """Each edit in turn with its probability times `strength`."""
    for probability, edit in edits:
        if rng.random() < probability * strength:
            image = edit(image, rng)
    return image
