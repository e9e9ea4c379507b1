"""Parameters of the evaluation room."""

from pydantic import Field, PositiveInt, field_validator

from dinov2.config import Config

HEADLINE_K = 20
"""The k whose accuracy is the headline of nearest neighbours: the published figures are of this one."""


class KnnConfig(Config):
    """Nearest neighbours."""

    neighbours: tuple[PositiveInt, ...] = (10, 20, 100, 200)  # as published

    @field_validator("neighbours")
    @classmethod
    def _has_headline(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if HEADLINE_K not in value or len(set(value)) < len(value):
            raise ValueError(f"must contain {HEADLINE_K}, the headline, and each number once")
        return value


class LinearConfig(Config):
    """The linear probe."""

    iterations: PositiveInt = 12_500  # as published
    batch: PositiveInt = 1024  # as published, 8 × 128; learning rates are scaled by batch / 256
    held_out: float = Field(0.1, gt=0, lt=1, description="part of each training class that chooses the learning rate")


class EvaluateConfig(Config):
    """What is evaluated, on what, and how."""

    models: tuple[str, ...] = ("highres", "S", "B", "L")
    datasets: tuple[str, ...] = Field((), description="sources with labels; none means all that have labels")
    resolution: PositiveInt = 224  # as published
    pca_resolution: PositiveInt = 448
    pca_images: int = Field(8, ge=2, le=16)
    knn: KnnConfig = KnnConfig()
    linear: LinearConfig = LinearConfig()

    @field_validator("models")
    @classmethod
    def _some_and_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("must name at least one model, and each once")
        return value
