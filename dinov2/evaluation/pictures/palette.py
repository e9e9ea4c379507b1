"""Colours for classes."""

import colorsys

from dinov2.evaluation.pictures.picture import Colour

GOLDEN = 0.618033988749895
"""Of a turn: hues at multiples of it lie far apart however many there are."""
SHADES = ((0.62, 0.92), (0.85, 0.66), (0.38, 0.80))
"""Saturation and value, taken in turn."""


def palette(count: int) -> list[Colour]:
    """`count` colours that are told apart on light and dark ground; the first ones are the same for any count."""
    return [_colour(number) for number in range(count)]


def _colour(number: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(0.55 + number * GOLDEN % 1, *SHADES[number % len(SHADES)])
    return round(255 * red), round(255 * green), round(255 * blue)
