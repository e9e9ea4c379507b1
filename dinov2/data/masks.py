"""Block masks for masked image modelling (Bao et al. 2022, BEiT, algorithm 1; Zhou et al. 2022, iBOT)."""

import math
from typing import Annotated, Self

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from pydantic import Field, model_validator

from dinov2.config import Config

Share = Annotated[float, Field(ge=0.0, le=1.0)]

MIN_PATCHES = 4
MIN_ASPECT = 0.3
LARGEST_BLOCK = 0.5
ATTEMPTS = 10


class MaskConfig(Config):
    """Which global crops are masked, and how much of them. Defaults are the paper's."""

    probability: Share = Field(0.5, description="share of the global crops that are masked at all")
    ratio: tuple[Share, Share] = Field((0.1, 0.5), description="least and greatest share of a crop's patches")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ratio[0] > self.ratio[1]:
            raise ValueError(f"ratio {list(self.ratio)}: the first must not be above the second")
        return self


def block_mask(side: int, wanted: int, rng: Generator) -> NDArray[np.bool_]:
    """Mask rectangles of random aspect until `wanted` patches are covered or no more fit.

    Args:
        side: patches along each side of the square grid.
        wanted: patches to mask; the result never has more and may have fewer.
        rng: source of the rectangles.

    Returns:
        (side * side,) bool.
    """
    mask = np.zeros((side, side), dtype=bool)
    left = wanted
    while left > 0:
        added = _add_block(mask, left, rng)
        if not added:
            break
        left -= added
    return mask.ravel()


def _add_block(mask: NDArray[np.bool_], most: int, rng: Generator) -> int:
    """Cover one more rectangle, adding between 1 and `most` patches; 0 when ten draws found none."""
    side = len(mask)
    largest = max(MIN_PATCHES, min(most, int(LARGEST_BLOCK * mask.size)))
    for _ in range(ATTEMPTS):
        area = rng.uniform(MIN_PATCHES, largest)
        aspect = math.exp(rng.uniform(math.log(MIN_ASPECT), -math.log(MIN_ASPECT)))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if not (0 < height < side and 0 < width < side):
            continue
        top, left = rng.integers(side - height + 1), rng.integers(side - width + 1)
        block = mask[top : top + height, left : left + width]
        added = block.size - int(block.sum())
        if 0 < added <= most:
            block[:] = True
            return added
    return 0


def batch_masks(config: MaskConfig, crops: int, side: int, seed: tuple[int, ...], part: slice) -> NDArray[np.bool_]:
    """Masks for the global crops of one step, some of them empty.

    The ratios are stratified: one draw from each of as many equal parts of `config.ratio` as crops are masked, so that
    every step sees the whole range. They are drawn for the whole batch, so that they do not depend on how it is split.

    Args:
        config: which share of crops, and of patches.
        crops: global crops of the step, over all ranks.
        side: patches along each side.
        seed: of the run and the step.
        part: the crops wanted here.

    Returns:
        (crops in part, side * side) bool.
    """
    rng = default_rng(seed)
    masked = int(crops * config.probability)
    edges = np.linspace(*config.ratio, masked + 1)
    wanted = np.zeros(crops, dtype=np.int64)
    wanted[:masked] = rng.uniform(edges[:-1], edges[1:]) * side * side
    wanted = rng.permutation(wanted)
    chosen = range(crops)[part]
    return np.stack([block_mask(side, int(wanted[crop]), default_rng((*seed, crop))) for crop in chosen])
