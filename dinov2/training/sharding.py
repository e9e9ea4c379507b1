"""One code path for one process on a CPU and for many GPUs: FSDP2 over a device mesh."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn import Parameter

from dinov2.training.network import Network

Precision = Literal["bf16", "fp32"]
COMPUTE = {"bf16": torch.bfloat16, "fp32": torch.float32}


def global_rank() -> int:
    """This process's rank as torchrun gave it; 0 when it was started alone."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def process_group(device: torch.device) -> Iterator[DeviceMesh]:
    """The mesh of all processes torchrun started, or of this one alone; torn down at the end of the block."""
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if dist.is_torchelastic_launched():
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield init_device_mesh(device.type, (dist.get_world_size(),))
    finally:
        dist.destroy_process_group()


def shard(network: Network, mesh: DeviceMesh, precision: Precision) -> Network:
    """Shard parameters, gradients and so the optimiser's state over `mesh`, in place.

    Master weights stay in fp32; each block and head is gathered in the compute type just before it is needed, and
    gradients are reduced in fp32.
    """
    policy = MixedPrecisionPolicy(param_dtype=COMPUTE[precision], reduce_dtype=torch.float32)
    heads = {id(head): head for head in (network.dino_head, network.ibot_head)}
    for part in (*network.backbone.blocks, *heads.values()):
        fully_shard(part, mesh=mesh, mp_policy=policy)
    # Also the root, which FSDP would otherwise leave gathered, and in the compute type, after a teacher's forward pass.
    fully_shard(network, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
    return network


def local(parameter: Parameter) -> torch.Tensor:
    """This rank's shard of a parameter."""
    return parameter.to_local() if isinstance(parameter, DTensor) else parameter.data


@torch.no_grad()
def update_average(average: Network, network: Network, momentum: float) -> None:
    """Move `average` towards `network`: momentum * average + (1 - momentum) * network, shard by shard."""
    targets = [local(parameter) for parameter in average.parameters()]
    torch._foreach_lerp_(targets, [local(parameter) for parameter in network.parameters()], 1.0 - momentum)
