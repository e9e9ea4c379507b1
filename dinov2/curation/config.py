"""Parameters of the curation room."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt

from dinov2.config import Config


class HashConfig(Config):
    """A perceptual hash, for copies; nothing to train."""

    kind: Literal["hash"] = "hash"


class GistConfig(Config):
    """Edges and colours on a coarse grid, for likeness; nothing to train."""

    kind: Literal["gist"] = "gist"


class BackboneConfig(Config):
    """The cls token of a backbone."""

    kind: Literal["backbone"]
    weights: str = Field(min_length=1, description="safetensors file of this project, relative to the workspace")
    resolution: PositiveInt = Field(224, description="side of the square images it sees, a multiple of the patch")


DescriptorConfig = Annotated[HashConfig | GistConfig | BackboneConfig, Field(discriminator="kind")]


class EmbedConfig(Config):
    """What describes an image: once to find its copies, once to find its like."""

    model_config = ConfigDict(serialize_by_alias=True)

    copy_: DescriptorConfig = Field(HashConfig(), alias="copy", description="finds copies; the paper took SSCD")
    retrieval: DescriptorConfig = Field(GistConfig(), description="finds likeness; the paper took a ViT-H/16")
    shard_size: PositiveInt = Field(4096, description="images in a blob of the store; an interrupted run can lose one")


class DeduplicateConfig(Config):
    """When two images are copies. The thresholds suit `hash`; the paper's 0.6 and 0.45 suit SSCD descriptors."""

    k: PositiveInt = Field(64, description="neighbours looked at for each image (paper, appendix A)")
    self_threshold: float = Field(0.45, gt=0, lt=1, description="training images of a larger cosine are copies")
    relative_threshold: float = Field(
        0.4, gt=0, lt=1, description="training images of a larger cosine to an evaluation image are copies of it"
    )


class RetrieveConfig(Config):
    """How much of the pool is taken. Defaults are as published (paper, appendix A), for 744 million images."""

    method: Literal["auto", "sample", "cluster"] = Field(
        "auto", description="sample: neighbours of every query; cluster: parts of the clusters that queries fall into"
    )
    sample_above: NonNegativeInt = Field(
        1_000_000, description="with auto, curated sources of more images are sample-based, smaller ones cluster-based"
    )
    neighbours: PositiveInt = Field(4, description="sample-based: images for each query; 32 for the paper's core part")
    clusters: PositiveInt = Field(100_000, description="cluster-based: clusters of the pool")
    min_hits: NonNegativeInt = Field(3, description="cluster-based: a cluster counts with more queries than this")
    per_cluster: PositiveInt = Field(10_000, description="cluster-based: images from each cluster that counts")
    cap: PositiveInt = Field(1_000_000, description="cluster-based: images for one curated source, at most")
