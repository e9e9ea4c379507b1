"""Parameters of segmentation."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from dinov2.config import Config


class SegmentationConfig(Config):
    """Training of the linear layer; defaults are the release's (ADE20K), but for `rates` and `pixels`.

    The published "linear" reads the last layer, "+ms" the last 4 at a larger size, tested at several scales and
    mirrored. Images are taken whole, their sides rounded to multiples of the patch; the release slides square windows
    over them.
    """

    resolution: PositiveInt = Field(512, description="pixels on the short side, for linear")  # these three as published
    ms_resolution: PositiveInt = Field(640, description="likewise, for +ms")
    ms_scales: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1.0, 1.32, 1.73)

    iterations: PositiveInt = 40_000
    warmup: float = Field(0.0375, ge=0, lt=1, description="share of the iterations; 1500 of 40000")
    batch: PositiveInt = 16
    rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (3e-4, 1e-3, 3e-3)  # published: 1e-3 alone
    weight_decay: float = Field(1e-4, ge=0)
    pixels: PositiveInt = Field(1024, description="of each image that a step looks at; published: all of a crop")
    held_out: float = Field(0.1, gt=0, lt=1, description="part of the training images that chooses the rate")
