"""How the networks are computed: switches that change speed and memory, and the result by no more than rounding."""

import sys
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist

from dinov2.errors import ConfigError
from dinov2.models.attention import choose, set_attention
from dinov2.models.block import Block
from dinov2.models.packing import Layout
from dinov2.training.config import TrainingConfig
from dinov2.training.network import Network
from dinov2.training.sharding import COMPUTE


@dataclass(frozen=True)
class Execution:
    """Where an equal result may be had at another price.

    Attributes:
        attention: backend of attention, see `dinov2.models.attention`.
        recompute: compute each block again in the backward pass rather than keep what is inside it.
        compile: compile each block.
        shard_over: processes that parameters are sharded over, in neighbourhoods that each hold them all; 0 is all.
        microbatch: most images that a process takes through the networks at once; 0 is its whole share.
    """

    attention: str = "auto"
    recompute: bool = False
    compile: bool = False
    shard_over: int = 0
    microbatch: int = 0

    def parts(self, batch_size: int, group_size: int, world: int) -> int:
        """Parts that each process's share of a step is taken in, each of whole groups of images.

        Raises:
            ConfigError: the groups do not divide over the processes, or none fits into `microbatch`.
        """
        groups, rest = divmod(batch_size // group_size, world)
        if rest:
            raise ConfigError(
                f"batch_size {batch_size} is {batch_size // group_size} groups of group_size {group_size}, "
                f"which do not divide over {world} processes"
            )
        if self.microbatch and self.microbatch < group_size:
            raise ConfigError(f"DINOV2_MICROBATCH: {self.microbatch}: below group_size {group_size}")
        most = self.microbatch // group_size if self.microbatch else groups
        return next(parts for parts in range(1, groups + 1) if groups % parts == 0 and groups // parts <= most)


def settle(execution: Execution, config: TrainingConfig, device: torch.device) -> Execution:
    """Find the backend of attention: that asked for, if it works here, or the fastest for this run's batches.

    All processes must call, and get the same.

    Raises:
        ConfigError: the backend does not work here, or the batch cannot be shared out.
    """
    world = dist.get_world_size()
    images = config.batch_size // world // execution.parts(config.batch_size, config.group_size, world)
    crops = ((2, config.crops.global_size), (config.crops.local_count, config.crops.local_size))
    tokens = [1 + config.model.registers + (size // config.model.patch_size) ** 2 for _, size in crops]
    layout = Layout(tuple((images * count, length) for (count, _), length in zip(crops, tokens, strict=True) if count))
    with torch.device("meta"):
        backbone = config.model.build(config.crops.global_size)
    heads, width = backbone.num_heads, backbone.embed_dim // backbone.num_heads
    name = execution.attention if execution.attention != "measure" or dist.get_rank() == 0 else "auto"
    choice = choose(name, layout, heads, width, device, COMPUTE[config.precision])
    if choice.seconds:
        times = ", ".join(f"{backend} {1000 * seconds:.1f} ms" for backend, seconds in choice.seconds.items())
        print(f"attention: {choice.backend} ({times})", file=sys.stderr, flush=True)
    found = [choice.backend]
    dist.broadcast_object_list(found)
    return replace(execution, attention=found[0])


def equip(network: Network, execution: Execution) -> Network:
    """Set the switches of a network, in place."""
    set_attention(network, execution.attention)
    for block in network.backbone.blocks:
        assert isinstance(block, Block)
        block.recompute = execution.recompute
        if execution.compile:
            block.compile()
    return network
