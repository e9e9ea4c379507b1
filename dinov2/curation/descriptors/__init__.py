"""The descriptors there are. A new one is a file here, a class in `curation/config.py` and a case below."""

from pathlib import Path

import torch

from dinov2.curation.config import BackboneConfig, GistConfig, HashConfig
from dinov2.curation.descriptors.backbone import BackboneDescriptor
from dinov2.curation.descriptors.gist import GistDescriptor
from dinov2.curation.descriptors.hash import HashDescriptor
from dinov2.curation.descriptors.protocol import Descriptor, unit

__all__ = ["Descriptor", "create_descriptor", "unit"]


def create_descriptor(
    config: HashConfig | GistConfig | BackboneConfig, root: Path, device: torch.device | None = None
) -> Descriptor:
    """The descriptor that `config` asks for.

    Args:
        config: one member of `DescriptorConfig`.
        root: the workspace, where weights are found.
        device: what trained descriptors compute on; the CPU when None.

    Raises:
        ConfigError: what is asked for is impossible.
        DataError: a weights file cannot be used.
    """
    match config:
        case HashConfig():
            return HashDescriptor()
        case GistConfig():
            return GistDescriptor()
        case BackboneConfig():
            return BackboneDescriptor(config, root, device or torch.device("cpu"))
