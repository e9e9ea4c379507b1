"""One code path for one process on a CPU and for many GPUs: FSDP2 over a device mesh."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from dinov2.errors import ConfigError
from dinov2.training.network import Network

Precision = Literal["bf16", "fp16", "fp32"]
COMPUTE = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def global_rank() -> int:
    """This process's rank as torchrun gave it; 0 when it was started alone."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def process_group(device: torch.device, shard_over: int = 0) -> Iterator[DeviceMesh]:
    """The mesh of all processes torchrun started, or of this one alone; torn down at the end of the block.

    Args:
        device: what tensors are computed on.
        shard_over: processes that parameters are sharded over; neighbourhoods of so many processes hold a copy each
            and exchange gradients. 0 is all of them.

    Raises:
        ConfigError: `shard_over` does not divide the number of processes.
    """
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if dist.is_torchelastic_launched():
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield _mesh(device, dist.get_world_size(), shard_over)
    finally:
        dist.destroy_process_group()


def _mesh(device: torch.device, world: int, shard_over: int) -> DeviceMesh:
    if shard_over in (0, world):
        return init_device_mesh(device.type, (world,))
    if world % shard_over:
        raise ConfigError(f"DINOV2_SHARD_OVER: {shard_over}: does not divide the {world} processes")
    return init_device_mesh(device.type, (world // shard_over, shard_over), mesh_dim_names=("replicate", "shard"))


def shard(network: Network, mesh: DeviceMesh, precision: Precision, learns: bool) -> Network:
    """Shard parameters, gradients and so the optimiser's state over `mesh`, in place.

    Master weights stay in fp32; each block and head is gathered in the compute type just before it is needed, and
    gradients are reduced in fp32.

    Args:
        network: whole, on its device.
        mesh: from `process_group`.
        precision: what is computed in.
        learns: a backward pass follows the forward pass. What is gathered is then kept until it, where there is nobody
            to gather from.
    """
    alone = learns and mesh.size() == 1
    policy = MixedPrecisionPolicy(param_dtype=COMPUTE[precision], reduce_dtype=torch.float32)
    heads = {id(head): head for head in (network.dino_head, network.ibot_head) if list(head.parameters())}
    for part in (*network.backbone.blocks, *heads.values()):
        fully_shard(part, mesh=mesh, mp_policy=policy, reshard_after_forward=not alone)
    for head in heads.values():
        register_fsdp_forward_method(head, "project")
    # Also the root, which FSDP would otherwise leave gathered, and in the compute type, after a teacher's forward pass.
    fully_shard(network, mesh=mesh, mp_policy=policy, reshard_after_forward=not alone)
    return network


def local(parameter: Tensor) -> Tensor:
    """This process's shard of a parameter or gradient."""
    return parameter.to_local() if isinstance(parameter, DTensor) else parameter.detach()


@torch.no_grad()
def update_average(average: Network, network: Network, momentum: float) -> None:
    """Move `average` towards `network`: momentum * average + (1 - momentum) * network, shard by shard."""
    targets = [local(parameter) for parameter in average.parameters()]
    torch._foreach_lerp_(targets, [local(parameter) for parameter in network.parameters()], 1.0 - momentum)


def average_gradients(network: Network) -> None:
    """Mean of the gradients over processes, for a network of which each holds the whole; FSDP does it for others."""
    if isinstance(network, FSDPModule) or dist.get_world_size() == 1:
        return
    for parameter in network.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()
