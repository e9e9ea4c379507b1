"""Parameters of the linear probe."""

from pydantic import Field, PositiveInt

from dinov2.config import Config


class LinearConfig(Config):
    """The linear probe."""

    iterations: PositiveInt = 12_500  # as published
    batch: PositiveInt = 1024  # as published, 8 × 128; learning rates are scaled by batch / 256
    held_out: float = Field(0.1, gt=0, lt=1, description="part of each training class that chooses the learning rate")
