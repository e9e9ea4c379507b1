"""The networks of a run and where they start from."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.optim import AdamW

from dinov2.models.weights import save_backbone, save_tensors
from dinov2.training.config import TrainingConfig
from dinov2.training.crops import Depth
from dinov2.training.execution import Execution, equip
from dinov2.training.guard import Guard
from dinov2.training.ibot import IbotNetwork, IbotObjective
from dinov2.training.network import Network, initialise
from dinov2.training.objective import Objective
from dinov2.training.optimiser import build_optimiser
from dinov2.training.scaler import LossScale
from dinov2.training.sharding import COMPUTE, global_rank, shard
from dinov2.training.start import begin

FLAT = StateDictOptions(flatten_optimizer_state_dict=True)
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)

Ready = Callable[[Network, bool], Network]
"""Puts a network where it is to be trained; the second argument says whether it learns, or only teaches."""


@dataclass
class Trainee:
    """What is being trained.

    Attributes:
        student: the network that gradients change.
        average: the moving average of the student, which is what is kept.
        optimiser: of the student.
        depth: which sequences its stochastic depth keeps.
        clip_grad: greatest gradient norm.
        scale: of the loss.
        guard: against steps that are not finite.
    """

    student: Network
    average: Network
    optimiser: AdamW
    depth: Depth
    clip_grad: float
    scale: LossScale
    guard: Guard

    def state(self) -> dict[str, Any]:
        """Sharded state by name: all that changes during the run."""
        return {
            "student": get_model_state_dict(self.student),
            "average": get_model_state_dict(self.average),
            "optimiser": get_optimizer_state_dict(self.student, self.optimiser, options=FLAT),
            "scale": self.scale.state(),
            "guard": self.guard.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave, of any number of processes."""
        set_model_state_dict(self.student, state["student"])
        set_model_state_dict(self.average, state["average"])
        set_optimizer_state_dict(self.student, self.optimiser, state["optimiser"], options=FLAT)
        self.scale.load(state["scale"])
        self.guard.load(state["guard"])


def build_network(config: TrainingConfig) -> Network:
    """A network with random weights as the configuration has it."""
    backbone = config.model.build(config.crops.global_size)
    if config.method == "ibot":
        network: Network = IbotNetwork(backbone, config.heads, COMPUTE[config.precision])
    else:
        network = Network(backbone, config.heads)
    initialise(network, config.initialisation)
    return network


def build_trainee(name: str, config: TrainingConfig, seed: int, start: Path | None, ready: Ready) -> Trainee:
    """Build student and average, the same on every process.

    Args:
        name: of the run, for people.
        config: of the run.
        seed: of the random weights.
        start: weights to go on from, of a file that `begin` reads: a training file gives student and average, others
            are both. None starts from random weights.
        ready: puts each where it is to be trained.

    Raises:
        DataError: the file is damaged or does not fit the configuration.
    """
    torch.manual_seed(seed)
    student, average = build_network(config), build_network(config)
    average.load_state_dict(student.state_dict())
    if start is not None:
        begin(average, start, "teacher")
        if not begin(student, start, "student") and global_rank() == 0:
            print(f"{name}: {start} has no heads; they start from random weights", file=sys.stderr, flush=True)
    student, average = ready(student, True), ready(average, False)
    average.requires_grad_(False).eval()
    return Trainee(
        student=student.train(),
        average=average,
        optimiser=build_optimiser(student, config.optimiser),
        depth=Depth(
            seed, config.group_size, 2 * len(student.backbone.blocks), config.model.drop_path, config.method == "ibot"
        ),
        clip_grad=config.optimiser.clip_grad,
        scale=LossScale(config.precision == "fp16"),
        guard=Guard(name, config.skip_limit),
    )


def build_objective(config: TrainingConfig) -> Objective:
    """What the configuration trains for."""
    kind = IbotObjective if config.method == "ibot" else Objective
    return kind(config.objective, config.heads.prototypes, config.group_size)


def prepare(config: TrainingConfig, device: torch.device, mesh: DeviceMesh, execution: Execution) -> Ready:
    """How the networks of a run are put on the device and sharded; those of iBOT are whole on every process."""
    if config.method == "ibot":
        return lambda network, _: equip(network, execution).to(device)
    return lambda network, learns: shard(equip(network, execution).to(device), mesh, config.precision, learns)


def export(trainee: Trainee, config: TrainingConfig, backbone: Path, training: Path | None, rank: int) -> None:
    """Gather the shards and write, on rank 0, the average's backbone and what a later phase continues from.

    Args:
        trainee: at the end of its run.
        config: of the run.
        backbone: safetensors file for the average's backbone alone.
        training: safetensors file for student and average with their heads; None writes none.
        rank: of this process; all processes must call.
    """
    average = _whole(trainee.average)
    student = _whole(trainee.student) if training else {}
    if rank != 0:
        return
    network = build_network(config)
    network.load_state_dict(average)
    save_backbone(backbone, network.backbone)
    if training:
        tensors = {f"teacher.{name}": tensor for name, tensor in average.items()}
        tensors |= {f"student.{name}": tensor for name, tensor in student.items()}
        save_tensors(training, tensors, {"config": config.model_dump_json()})


def _whole(network: Network) -> dict[str, Tensor]:
    """All parameters gathered on rank 0's CPU; empty on the other ranks."""
    state = get_model_state_dict(network, options=WHOLE)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}
