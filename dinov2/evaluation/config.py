"""Parameters of the evaluation room."""

from typing import Annotated

from pydantic import Field, PositiveInt, field_validator

from dinov2.config import Config
from dinov2.evaluation.features.extractor import Precision
from dinov2.evaluation.protocols.copies import CopiesConfig
from dinov2.evaluation.protocols.depth.config import DepthConfig
from dinov2.evaluation.protocols.fewshot import FewShotConfig
from dinov2.evaluation.protocols.knn import HEADLINE_K, KnnConfig
from dinov2.evaluation.protocols.linear import LinearConfig
from dinov2.evaluation.protocols.logistic import LogisticConfig
from dinov2.evaluation.protocols.retrieval import RetrievalConfig
from dinov2.evaluation.protocols.robustness import RobustnessConfig
from dinov2.evaluation.protocols.segmentation.config import SegmentationConfig
from dinov2.evaluation.sets.layouts import LAYOUTS

__all__ = ["HEADLINE_K", "EvaluateConfig", "KnnConfig", "LinearConfig", "SetConfig"]


class SetConfig(Config):
    """A set in a folder, laid out in one of the known ways."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="as ade20k or nyud, whose published figures then stand beside"
    )
    path: str = Field(min_length=1, description="a local folder, from the root of the workspace")
    layout: str | None = Field(None, description="one of dinov2/evaluation/sets/layouts.py; none finds it out")
    protocols: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="none means all that are usual for such a set"
    )

    @field_validator("name")
    @classmethod
    def _not_taken(cls, value: str) -> str:
        if value == "mean":
            raise ValueError("is the name of the mean over sets")
        return value

    @field_validator("path")
    @classmethod
    def _local(cls, value: str) -> str:
        if "://" in value:
            raise ValueError("is read from a local folder; bring the set there")
        return value

    @field_validator("layout")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in LAYOUTS:
            raise ValueError(f"allowed: {', '.join(LAYOUTS)}")
        return value


class EvaluateConfig(Config):
    """What is evaluated, on what, and how."""

    models: tuple[str, ...] = ("highres", "S", "B", "L")
    datasets: tuple[str, ...] = Field((), description="sources with labels; none means all that have labels")
    sets: tuple[SetConfig, ...] = Field((), description="sets in folders, beside those sources")
    resolution: PositiveInt = 224  # as published
    image_features: Precision = Field("fp32", description="type in which features of images are kept")
    patch_features: Precision = Field("fp16", description="type in which features of patches are kept")
    pca_resolution: PositiveInt = 448
    pca_images: int = Field(8, ge=2, le=16)
    knn: KnnConfig = KnnConfig()
    linear: LinearConfig = LinearConfig()
    logistic: LogisticConfig = LogisticConfig()
    fewshot: FewShotConfig = FewShotConfig()
    robustness: RobustnessConfig = RobustnessConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    copies: CopiesConfig = CopiesConfig()
    segmentation: SegmentationConfig = SegmentationConfig()
    depth: DepthConfig = DepthConfig()
    video: LinearConfig = LinearConfig()

    @field_validator("models")
    @classmethod
    def _some_and_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("must name at least one model, and each once")
        return value

    @field_validator("sets")
    @classmethod
    def _each_its_own_name(cls, value: tuple[SetConfig, ...]) -> tuple[SetConfig, ...]:
        names = [each.name for each in value]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{names.count(twice[0])} are called {twice[0]!r}; each needs its own name")
        return value
