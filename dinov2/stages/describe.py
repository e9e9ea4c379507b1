"""The command `dinov2 describe`: what a descriptor learnt from the pool as a file, which later curations can name."""

import shutil

from dinov2.curation.config import BootstrapConfig, DescriptorConfig, TrainedConfig
from dinov2.errors import ConfigError
from dinov2.stages.bootstrap import bootstrapped, resolution
from dinov2.stages.context import Context
from dinov2.stages.params import PARAMS
from dinov2.stages.trained import trained
from dinov2.storage import atomic_path

SUFFIX = ".safetensors"
LEARNING = ("bootstrap", "trained without weights")


def describe(context: Context, use: str, to: str) -> None:
    """Write the weights of a descriptor of the present pool to a file, and say how parameters name it.

    The descriptor learns first, if no run of embed has made it do so.

    Args:
        context: the workspace.
        use: "copy" or "retrieval".
        to: the file, relative to the workspace.

    Raises:
        ConfigError: there is no such use, its descriptor does not learn from the pool, or the file has another suffix.
    """
    embed = context.params.embed
    configs: dict[str, DescriptorConfig] = {"copy": embed.copy_, "retrieval": embed.retrieval}
    if use not in configs:
        raise ConfigError(f"{use!r}: no use of descriptors; there are: {', '.join(configs)}")
    path, config = context.path(to), configs[use]
    if path.suffix != SUFFIX:
        raise ConfigError(f"{to}: the file to write must end in {SUFFIX}")
    match config:
        case BootstrapConfig():
            weights = bootstrapped(context, config)
            named = f"kind: backbone, weights: {to}, resolution: {resolution(context, config)}"
        case TrainedConfig(weights=None):
            weights, named = trained(context, config), f"kind: trained, weights: {to}"
        case _:
            raise ConfigError(
                f"{PARAMS}: embed.{use}.kind: {config.kind!r} learns nothing from the pool; "
                f"those that do: {', '.join(LEARNING)}"
            )
    with atomic_path(path) as draft:
        shutil.copyfile(weights, draft)
    print(f"{to}: to keep this descriptor, write to {PARAMS}\nembed:\n  {use}: {{{named}}}")
