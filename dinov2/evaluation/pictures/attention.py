"""Where the class token of the last block looks, head by head, and where registers do."""

import numpy as np
from PIL import Image

from dinov2.evaluation.pictures.galleries import spread
from dinov2.evaluation.pictures.picture import Picture
from dinov2.evaluation.pictures.tiles import heat, strip

HEADS = 8
"""Heads that have a row, spread over all of them."""
LIGHTEST = 99.0
"""Percentile of a map that is drawn lightest: one patch may draw most of a head's attention."""


def attention_picture(images: np.ndarray, attention: np.ndarray) -> Picture:
    """Photographs, the attention of cls as the mean over heads and of each head, and the mean of each register.

    Args:
        images: (N, S, S, 3) uint8.
        attention: (N, heads, 1 + R, h, w), see `LastBlock.attention`.
    """
    heads = attention.shape[1]
    mean = attention.mean(axis=1)
    rows = {"photographs": strip(list(images)), "mean over heads": _maps(mean[:, 0])}
    rows |= {f"head {head + 1} of {heads}": _maps(attention[:, head, 0]) for head in spread(heads, HEADS)}
    rows |= {f"register {number}": _maps(mean[:, number]) for number in range(1, attention.shape[2])}
    return Picture(
        name="attention",
        title="Where the class token looks",
        caption="Attention of the class token to each patch in the last block; light is much. Where training worked, "
        "heads follow things or their parts. Each map has a scale of its own.",
        alternative="Photographs, and maps of the attention of the class token in the last block",
        rows=rows,
        note=f"{100 * mean[:, 0].sum(axis=(1, 2)).mean():.0f}% of it goes to patches",
    )


def _maps(shares_nhw: np.ndarray) -> Image.Image:
    return strip([heat(each, 0.0, float(np.percentile(each, LIGHTEST))) for each in shares_nhw])
