"""The descriptors there are. A new one is a file here, a class in `curation/config.py` and a case below."""

from pathlib import Path

import torch

from dinov2.curation.config import (
    BackboneConfig,
    BootstrapConfig,
    DescriptorConfig,
    GistConfig,
    HashConfig,
    PdqConfig,
    SscdConfig,
    TrainedConfig,
)
from dinov2.curation.descriptors.backbone import BackboneDescriptor
from dinov2.curation.descriptors.gist import GistDescriptor
from dinov2.curation.descriptors.hash import HashDescriptor
from dinov2.curation.descriptors.pdq import PdqDescriptor
from dinov2.curation.descriptors.protocol import Descriptor, unit
from dinov2.curation.descriptors.sscd import SscdDescriptor
from dinov2.curation.descriptors.trained.files import load_trained
from dinov2.errors import ConfigError

__all__ = ["Descriptor", "create_descriptor", "unit"]


def create_descriptor(config: DescriptorConfig, root: Path, device: torch.device | None = None) -> Descriptor:
    """The descriptor that `config` asks for, unless it has to learn first.

    Args:
        config: a member of `DescriptorConfig` that needs nothing but files.
        root: the workspace, where weights are found.
        device: what trained descriptors compute on; the CPU when None.

    Raises:
        ConfigError: what is asked for is impossible, or has to learn first.
        DataError: a weights file cannot be used.
    """
    match config:
        case HashConfig():
            return HashDescriptor()
        case PdqConfig():
            return PdqDescriptor()
        case GistConfig():
            return GistDescriptor()
        case SscdConfig():
            return SscdDescriptor(config, root, device or torch.device("cpu"))
        case TrainedConfig(weights=str(weights)):
            return load_trained(root / weights, device)
        case TrainedConfig() | BootstrapConfig():
            raise ConfigError(f"embed: {config.kind}: has to learn from the pool before it describes anything")
        case BackboneConfig():
            return BackboneDescriptor(config, root, device or torch.device("cpu"))
