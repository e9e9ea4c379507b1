"""Parameters of packing."""

from pydantic import Field, NonNegativeInt

from dinov2.config import Config


class PackConfig(Config):
    """Whether and how training images are copied into shards."""

    write: bool = Field(True, description="copy training images into the store; else sources are read in place")
    shard_mib: int = Field(256, ge=1, le=4096, description="size of a shard; it is held in memory while it is written")
    seed: NonNegativeInt = Field(0, description="of the order that images stand in")
