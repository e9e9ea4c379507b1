"""Parameters of the curation room."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from dinov2.config import Config
from dinov2.curation.search.config import SearchConfig
from dinov2.models import ModelConfig


class HashConfig(Config):
    """A perceptual hash, for copies; nothing to train."""

    kind: Literal["hash"] = "hash"


class PdqConfig(Config):
    """A perceptual hash of 256 bits, for copies that nothing is cut off; nothing to train."""

    kind: Literal["pdq"] = "pdq"


class GistConfig(Config):
    """Edges and colours on a coarse grid, for likeness; nothing to train."""

    kind: Literal["gist"] = "gist"


class TrainedConfig(Config):
    """A small vision transformer that learns what copies of an image have in common (SSCD; Pizzi et al. 2022).

    Defaults were chosen for 20 minutes of CPU time and hold for a pool of any size: the number of steps is fixed.
    """

    kind: Literal["trained"] = "trained"
    weights: str | None = Field(
        None, min_length=1, description="a fitted file to use, relative to the workspace; else it is fitted to the pool"
    )
    resolution: PositiveInt = Field(64, description="side of the square that images are brought to, in pixels")
    patch_size: PositiveInt = Field(8, description="side of a patch in pixels, a power of two")
    width: PositiveInt = Field(192, description="of a token")
    depth: PositiveInt = Field(2, description="blocks of the transformer")
    heads: PositiveInt = Field(3, description="attention heads; divide the width")
    dim: PositiveInt = Field(512, description="length of a vector")
    steps: PositiveInt = Field(1100, description="batches that it learns from")
    batch_size: PositiveInt = Field(64, ge=4, description="images in a batch")
    views: PositiveInt = Field(3, ge=2, description="of each image in a batch: one edited lightly, the others strongly")
    ramp: PositiveFloat = Field(0.5, le=1, description="share of the steps after which edits are as strong as they get")
    lr: PositiveFloat = Field(2e-3, description="peak of the learning rate (AdamW), after a warm-up; falls as a cosine")
    weight_decay: NonNegativeFloat = 0.05
    temperature: PositiveFloat = Field(0.05, description="of InfoNCE (SSCD, section 4)")
    entropy_weight: NonNegativeFloat = Field(5.0, description="of the differential entropy; 30 in SSCD")
    precision: Literal["bf16", "fp32"] = Field("bf16", description="of products while it learns")
    cache_gib: NonNegativeFloat = Field(1.0, description="memory for decoded images; others are read every time")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.patch_size < 2 or self.patch_size & (self.patch_size - 1):
            raise ValueError(f"patch_size {self.patch_size}: must be a power of two, at least 2")
        if self.resolution % self.patch_size:
            raise ValueError(f"resolution {self.resolution}: not a multiple of patch_size {self.patch_size}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width}: not a multiple of heads {self.heads}")
        return self


class BackboneConfig(Config):
    """The cls token of a backbone."""

    kind: Literal["backbone"]
    weights: str = Field(
        min_length=1,
        description="backbone.safetensors written here or official .pth, relative to the workspace; or a registered "
        "model, models:/NAME@ALIAS or models:/NAME/VERSION",
    )
    resolution: PositiveInt = Field(224, description="side of the square images it sees, a multiple of the patch")


class SscdConfig(Config):
    """A copy detection network in TorchScript, such as those of SSCD (Pizzi et al. 2022)."""

    kind: Literal["sscd"]
    weights: str = Field(min_length=1, description="TorchScript file, relative to the workspace")
    resolution: PositiveInt = Field(288, description="pixels that the shorter side is brought to; SSCD: 288")
    square: bool = Field(False, description="bring both sides to `resolution`, whatever the aspect; SSCD: then 320")


class BootstrapConfig(Config):
    """The cls token of a backbone that a short run as in `pretrain` makes of the raw pool."""

    kind: Literal["bootstrap"]
    share: float = Field(0.1, gt=0, le=1, description="of the steps of pretrain, whose schedules are compressed")
    model: ModelConfig | None = Field(None, description="the backbone; that of pretrain if none is given")
    resolution: PositiveInt | None = Field(
        None, description="side of the square images that are described; that of pretrain's global crops if none"
    )


DescriptorConfig = Annotated[
    HashConfig | PdqConfig | GistConfig | SscdConfig | TrainedConfig | BackboneConfig | BootstrapConfig,
    Field(discriminator="kind"),
]


class EmbedConfig(Config):
    """What describes an image: once to find its copies, once to find its like."""

    model_config = ConfigDict(serialize_by_alias=True)

    copy_: DescriptorConfig = Field(HashConfig(), alias="copy", description="finds copies; the paper took SSCD")
    retrieval: DescriptorConfig = Field(GistConfig(), description="finds likeness; the paper took a ViT-H/16")
    shard_size: PositiveInt = Field(4096, description="images in a blob of the store; an interrupted run can lose one")


class DeduplicateConfig(Config):
    """When two images are copies. Descriptors know thresholds that suit them; those of `sscd` are the paper's."""

    k: PositiveInt = Field(64, description="neighbours looked at for each image (paper, appendix A)")
    self_threshold: float | None = Field(
        None, gt=0, lt=1, description="training images of a larger cosine are copies; the descriptor's own if none"
    )
    relative_threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="training images of a larger cosine to an evaluation image are copies of it; the descriptor's own "
        "if none",
    )
    search: SearchConfig = Field(SearchConfig(), description="how neighbours are searched for")


class RetrieveConfig(Config):
    """How much of the pool is taken. Defaults are as published (paper, appendix A), for 744 million images."""

    method: Literal["auto", "sample", "cluster", "balanced"] = Field(
        "auto",
        description="sample: neighbours of every query; cluster: parts of the clusters that queries fall into; auto: "
        "one of these for each source; balanced: no queries, but alike from all clusters of the pool",
    )
    sample_above: NonNegativeInt = Field(
        1_000_000, description="with auto, curated sources of more images are sample-based, smaller ones cluster-based"
    )
    neighbours: PositiveInt = Field(4, description="sample-based: images for each query; 32 for the paper's core part")
    clusters: PositiveInt = Field(100_000, description="cluster-based: clusters of the pool")
    min_hits: NonNegativeInt = Field(3, description="cluster-based: a cluster counts with more queries than this")
    per_cluster: PositiveInt = Field(10_000, description="cluster-based: images from each cluster that counts")
    cap: PositiveInt = Field(1_000_000, description="cluster-based: images for one curated source, at most")
    levels: tuple[PositiveInt, ...] = Field(
        (100_000, 10_000, 1_000), min_length=1, description="balanced: clusters at each level, the finest first"
    )
    target: PositiveInt = Field(1_000_000, description="balanced: images of the pool")
    search: SearchConfig = Field(SearchConfig(), description="how neighbours are searched for")

    @field_validator("levels")
    @classmethod
    def _falling(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if any(upper >= lower for lower, upper in pairwise(levels)):
            raise ValueError("the numbers of clusters must fall from level to level")
        return levels
