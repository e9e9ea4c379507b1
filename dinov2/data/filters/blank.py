"""Images that show next to nothing: a placeholder, a solid colour, a drawing of a few flat tones."""

from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from dinov2.config import Config
from dinov2.data.filters.protocol import Filter, Place
from dinov2.data.images import Pixels, resize_shortest

SIDE = 64
NEAR = 8
"""Grey levels that a pixel may differ by from the median and still count as blank: noise of a sensor or of JPEG."""


class BlankConfig(Config):
    """When an image shows too little; both are judged on its grey values at 64 pixels on the shortest side."""

    kind: Literal["blank"]
    max_near: float = Field(
        0.97, gt=0, le=1, description="largest share of pixels within 8 of 256 levels of the median"
    )
    min_entropy: float = Field(1.0, ge=0, le=8, description="least entropy of the histogram of 256 levels, in bits")


class Blank(Filter):
    """Judges by the histogram of grey values."""

    kind = "blank"
    side = SIDE

    def __init__(self, config: BlankConfig, place: Place) -> None:
        super().__init__(config, place)
        self._config = config

    def by_pixels(self, image: Pixels) -> str | None:
        """See `Filter`."""
        grey = cv2.cvtColor(image if min(image.shape[:2]) <= SIDE else resize_shortest(image, SIDE), cv2.COLOR_RGB2GRAY)
        near, entropy = blankness(grey)
        if near > self._config.max_near:
            return f"{near:.1%} of its pixels have nearly the same grey"
        if entropy < self._config.min_entropy:
            return f"its grey values have an entropy of {entropy:.2f} bits"
        return None


def blankness(grey: Pixels) -> tuple[float, float]:
    """Share of the pixels (H, W) within `NEAR` of the median, and the entropy of their histogram in bits."""
    near = np.abs(grey.astype(np.int16) - np.median(grey)) <= NEAR
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    present = share[share > 0]
    return float(near.mean()), float(-(present * np.log2(present)).sum())
