"""Parameters of depth estimation."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from dinov2.config import Config


class DepthConfig(Config):
    """Training of a head; defaults are the release's (NYUd), but for `rates`, and without its one-cycle momentum.

    The published "lin.1" reads the last layer, "lin.4" and DPT four layers spread over the depth. Images are taken
    whole, their sides rounded to multiples of the patch.
    """

    resolution: PositiveInt = Field(480, description="pixels on the short side")  # as published

    mirrored: bool = Field(True, description="test images are seen mirrored too; predictions are averaged")  # likewise
    head: Literal["linear", "dpt"] = "linear"
    iterations: PositiveInt = 38_400
    warmup: float = Field(1 / 3, ge=0, lt=1, description="share of the iterations; 12800 of 38400")
    batch: PositiveInt = 16
    rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1e-4, 1e-3, 1e-2)  # published: one
    weight_decay: float = Field(0.01, ge=0)
    clip: PositiveFloat = 35.0
    gradient_weight: float = Field(0.5, ge=0, description="of the gradient loss beside the scale-invariant one")
    bins: int = Field(256, ge=2)
    fusion: int = Field(256, ge=2, description="channels in which DPT's levels meet")
    held_out: float = Field(0.1, gt=0, lt=1, description="part of the training images that chooses the rate")
