"""The training images as tar shards in the store, so that training reads from there and nowhere else."""

from dinov2.data.pack.config import PackConfig
from dinov2.data.pack.pack import PACKED, Packer, packed_source

__all__ = ["PACKED", "PackConfig", "Packer", "packed_source"]
