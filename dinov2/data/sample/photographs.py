"""Photographs that come with scikit-image and scikit-learn: objects cut out of them, and backgrounds without those.

Coordinates are pixels of the photographs, which never change; the outlines were drawn by hand.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dinov2.data.images import Pixels, decode_rgb, resize_shortest
from dinov2.errors import DataError

Polygon = tuple[tuple[int, int], ...]
Ellipse = tuple[int, int, int, int]
"""Centre x, y and half axes."""

FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
LONGEST, SHORTEST = 200, 256
"""Cutouts (their longest side) and backgrounds (their shortest) are kept this small: scenes show them smaller still."""

ASTRONAUT: Polygon = (
    (165, 55), (190, 28), (235, 15), (275, 28), (300, 70), (298, 105), (272, 135), (258, 172), (290, 195), (305, 235),
    (335, 255), (352, 300), (362, 348), (320, 365), (285, 410), (278, 511), (25, 511), (20, 400), (45, 290), (70, 245),
    (112, 208), (115, 185), (130, 160), (160, 148), (184, 150), (180, 130), (160, 110), (153, 80),
)  # fmt: skip
CAMERAMAN: Polygon = (
    (0, 255), (30, 215), (55, 180), (75, 145), (100, 130), (130, 122), (155, 105), (170, 80), (205, 63), (240, 75),
    (268, 110), (266, 138), (320, 138), (325, 150), (318, 168), (330, 175), (330, 200), (320, 215), (305, 250),
    (303, 275), (245, 312), (207, 295), (175, 345), (140, 380), (150, 450), (148, 511), (0, 511),
)  # fmt: skip
CAT: Polygon = (
    (30, 60), (55, 0), (400, 0), (380, 50), (358, 75), (362, 150), (345, 190), (320, 225), (315, 262), (270, 285),
    (215, 278), (150, 260), (90, 230), (50, 190), (30, 120),
)  # fmt: skip
MOTORCYCLE: Polygon = (
    (92, 200), (140, 195), (138, 150), (162, 150), (170, 165), (240, 168), (275, 190), (355, 188), (390, 165),
    (358, 172), (355, 163), (385, 140), (332, 138), (335, 125), (372, 108), (412, 122), (465, 145), (468, 128),
    (500, 108), (495, 80), (545, 100), (532, 118), (560, 122), (580, 118), (580, 142), (562, 145), (558, 175),
    (545, 195), (578, 262), (602, 265), (645, 300), (642, 314), (675, 355), (685, 400), (660, 445), (625, 448),
    (580, 430), (545, 390), (515, 345), (505, 325), (507, 290), (525, 272), (498, 210), (478, 235), (480, 310),
    (462, 355), (425, 378), (350, 372), (345, 432), (325, 436), (325, 372), (280, 365), (255, 388), (210, 398),
    (165, 385), (130, 340), (122, 290), (140, 252), (112, 246), (98, 245),
)  # fmt: skip
PAGODA: Polygon = (
    (195, 32), (213, 32), (217, 60), (240, 85), (262, 97), (300, 112), (320, 120), (312, 130), (295, 140), (293, 158),
    (325, 170), (328, 180), (318, 185), (320, 225), (327, 232), (325, 240), (350, 250), (348, 260), (342, 268),
    (342, 305), (348, 320), (370, 335), (362, 350), (325, 370), (300, 385), (215, 385), (150, 345), (75, 335),
    (75, 320), (80, 310), (80, 278), (63, 270), (65, 255), (95, 245), (95, 230), (100, 225), (100, 190), (85, 180),
    (90, 165), (118, 158), (120, 140), (95, 130), (98, 108), (120, 102), (165, 80), (192, 62),
)  # fmt: skip
SHUTTLE: Polygon = (
    (400, 25), (408, 5), (420, 0), (432, 8), (438, 40), (448, 45), (454, 60), (455, 165), (457, 265), (430, 280),
    (380, 280), (365, 262), (370, 235), (354, 222), (355, 205), (378, 180), (378, 100), (380, 50), (388, 42), (397, 50),
)  # fmt: skip
COINS: tuple[Ellipse, ...] = (
    (335, 44, 29, 28), (46, 260, 28, 27), (172, 262, 28, 25), (347, 187, 32, 31), (271, 119, 24, 23),
    (301, 263, 25, 24), (213, 193, 23, 23), (102, 195, 22, 21),
)  # fmt: skip

OBJECTS: dict[str, tuple[tuple[str, tuple[Polygon | Ellipse, ...]], ...]] = {
    "astronaut": (("astronaut.png", (ASTRONAUT,)),),
    "cameraman": (("camera.png", (CAMERAMAN,)),),
    "cat": (("chelsea.png", (CAT,)),),
    "coin": tuple(("coins.png", (coin,)) for coin in COINS),
    "cup": (("coffee.png", ((279, 228, 200, 158), (291, 112, 118, 94))),),
    "flower": (("flower.jpg", ((307, 222, 136, 136),)),),
    "motorcycle": (("motorcycle_left.png", (MOTORCYCLE,)),),
    "pagoda": (("china.jpg", (PAGODA,)),),
    "retina": (("retina.jpg", ((706, 706, 660, 660),)),),
    "shuttle": (("astronaut.png", (SHUTTLE,)),),
}
"""Each class: the photographs of its objects, and the shapes whose union is the object."""

CLASSES = tuple(OBJECTS)

BACKGROUNDS: tuple[tuple[str, tuple[int, int, int, int]], ...] = (
    ("brick.png", (0, 0, 512, 512)),
    ("grass.png", (0, 0, 512, 512)),
    ("gravel.png", (0, 0, 512, 512)),
    ("moon.png", (0, 0, 512, 512)),
    ("ihc.png", (0, 0, 512, 512)),
    ("hubble_deep_field.jpg", (0, 0, 1000, 872)),
    ("text.png", (0, 0, 448, 172)),
    ("rocket.jpg", (0, 0, 300, 427)),
    ("china.jpg", (375, 0, 640, 427)),
    ("camera.png", (335, 0, 512, 512)),
    ("motorcycle_left.png", (530, 0, 741, 120)),
    ("flower.jpg", (0, 0, 165, 427)),
)
"""Photographs and the box in them (left, top, right, bottom) that holds no object."""


@dataclass(frozen=True)
class Cutout:
    """An object: its pixels (h, w, 3) uint8 and how much of each is the object, (h, w) float32 in [0, 1]."""

    pixels: Pixels
    alpha: NDArray[np.float32]


@lru_cache(maxsize=32)
def photograph(name: str) -> Pixels:
    """A photograph by file name, (H, W, 3) uint8.

    Raises:
        DataError: neither scikit-image nor scikit-learn brings it.
    """
    for package, folder in FOLDERS.items():
        spec = find_spec(package)
        path = Path(spec.origin if spec and spec.origin else ".").parent / folder / name
        if path.is_file():
            return decode_rgb(path.read_bytes())
    raise DataError(
        f"the built-in sample needs {name}, which scikit-image or scikit-learn should bring; reinstall them"
    )


@lru_cache(maxsize=32)
def cutouts(label: str) -> tuple[Cutout, ...]:
    """The objects of a class."""
    return tuple(_cut(photograph(name), shapes) for name, shapes in OBJECTS[label])


def _cut(image: Pixels, shapes: tuple[Polygon | Ellipse, ...]) -> Cutout:
    mask = np.zeros(image.shape[:2], np.uint8)
    for shape in shapes:
        if isinstance(shape[0], int):
            x, y, a, b = shape
            cv2.ellipse(mask, ((x, y), (2 * a, 2 * b), 0), 255, -1)
        else:
            cv2.fillPoly(mask, [np.array(shape)], 255)
    left, top, width, height = cv2.boundingRect(mask)
    box = np.s_[top : top + height, left : left + width]
    scale = min(1.0, LONGEST / max(width, height))
    pixels, small = (cv2.resize(x[box], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for x in (image, mask))
    return Cutout(pixels, cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32) / 255)


@lru_cache(maxsize=32)
def background(number: int) -> Pixels:
    """One of `BACKGROUNDS`, (H, W, 3) uint8."""
    name, (left, top, right, bottom) = BACKGROUNDS[number]
    crop = photograph(name)[top:bottom, left:right]
    return resize_shortest(crop, min(SHORTEST, *crop.shape[:2]))
