"""Descriptors as the parameters ask for them; what they learn, or the registry has, is made a file first."""

from pathlib import Path

from dinov2.curation.config import BackboneConfig, BootstrapConfig, DescriptorConfig, TrainedConfig
from dinov2.curation.descriptors import Descriptor, create_descriptor
from dinov2.stages.bootstrap import bootstrapped, resolution
from dinov2.stages.context import Context
from dinov2.stages.given import given_file, use_of
from dinov2.stages.trained import trained


def descriptor_of(context: Context, config: DescriptorConfig) -> Descriptor:
    """The descriptor, ready to embed; what has to be learnt or fetched for it is, unless an earlier call has.

    Raises:
        ConfigError: what is asked for is impossible.
        DataError: a weights file cannot be used, or there is nothing to learn from.
        UserError: the registry does not have the model.
        JobFailedError: learning failed; called again it goes on.
    """
    match config:
        case TrainedConfig(weights=None):
            # As a file it is named by its content, and frozen by `dinov2 describe` it keeps its name.
            fitted = config.model_copy(update={"weights": str(trained(context, config))})
            return create_descriptor(fitted, context.root, context.device)
        case BootstrapConfig():
            made = _backbone(bootstrapped(context, config), resolution(context, config))
            return create_descriptor(made, context.root, context.device)
        case BackboneConfig():
            weights = given_file(context, f"embed.{use_of(context, config)}.weights", config.weights)
            made = _backbone(weights, config.resolution)
            return create_descriptor(made, context.root, context.device)
        case _:
            return create_descriptor(config, context.root, context.device)


def _backbone(weights: Path, side: int) -> BackboneConfig:
    return BackboneConfig(kind="backbone", weights=str(weights), resolution=side)
