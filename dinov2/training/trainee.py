"""The networks of a run and where they start from."""

import json
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

from dinov2.models.embedding import interpolate_positions
from dinov2.models.weights import load_tensors, save_backbone, save_tensors
from dinov2.training.config import TrainingConfig
from dinov2.training.network import Network, build_network
from dinov2.training.objective import Objective
from dinov2.training.optimiser import build_optimiser
from dinov2.training.sharding import shard

POSITIONS = "backbone.pos_embed"
FLAT = StateDictOptions(flatten_optimizer_state_dict=True)
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@dataclass
class Trainee:
    """What is being trained.

    Attributes:
        student: the network that gradients change.
        average: the moving average of the student, which is what is kept.
        teacher: the network whose assignments the student learns to predict: the average, or, in distillation, a
            frozen one.
        objective: what the student is trained for.
        optimiser: of the student.
    """

    student: Network
    average: Network
    teacher: Network
    objective: Objective
    optimiser: AdamW

    def state(self) -> dict[str, Any]:
        """Sharded state by name: all that changes during the run."""
        return {
            "student": get_model_state_dict(self.student),
            "average": get_model_state_dict(self.average),
            "optimiser": get_optimizer_state_dict(self.student, self.optimiser, options=FLAT),
            "objective": self.objective.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave, of any number of ranks."""
        set_model_state_dict(self.student, state["student"])
        set_model_state_dict(self.average, state["average"])
        set_optimizer_state_dict(
            self.student,
            self.optimiser,
            state["optimiser"],
            options=FLAT,
        )
        self.objective.load(state["objective"])


def build_trainee(
    config: TrainingConfig, seed: int, start: Path | None, teacher: Path | None, device: torch.device, mesh: DeviceMesh
) -> Trainee:
    """Build the networks, the same on every rank, and shard them.

    Args:
        config: of this run.
        seed: of the random weights.
        start: training file of an earlier phase whose student and average go on; None starts from random weights.
        teacher: training file of the frozen teacher of a distillation; None trains against the average.
        device: where the networks live.
        mesh: what they are sharded over.

    Raises:
        DataError: a file is damaged or does not fit the configuration.
    """
    torch.manual_seed(seed)
    student = build_network(config.model, config.heads, config.crops.global_size, config.initialisation)
    average = build_network(config.model, config.heads, config.crops.global_size)
    average.load_state_dict(student.state_dict())
    if start is not None:
        tensors, _ = load_tensors(start)
        _load(student, tensors, "student.")
        _load(average, tensors, "teacher.")
    networks = [_prepare(network, config, device, mesh) for network in (student, average)]
    frozen = None if teacher is None else _prepare(load_network(teacher), config, device, mesh)
    for network in (networks[1], frozen):
        if network is not None:
            network.requires_grad_(False).eval()
    networks[0].train()
    return Trainee(
        student=networks[0],
        average=networks[1],
        teacher=frozen or networks[1],
        objective=Objective(config.objective, config.heads.prototypes),
        optimiser=build_optimiser(networks[0], config.optimiser),
    )


def _prepare(network: Network, config: TrainingConfig, device: torch.device, mesh: DeviceMesh) -> Network:
    return shard(network.to(device), mesh, config.precision)


def _load(network: Network, tensors: dict[str, Tensor], prefix: str) -> None:
    """Load the tensors under `prefix`, position embeddings resampled to the network's grid."""
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    side = network.backbone.img_size // network.backbone.patch_size
    own[POSITIONS] = interpolate_positions(own[POSITIONS], side, side, antialias=False, offset=0.0)
    network.load_state_dict(own)


def load_network(path: Path) -> Network:
    """The average (backbone and heads) of the training file that `export` wrote."""
    tensors, metadata = load_tensors(path)
    config = TrainingConfig.model_validate(json.loads(metadata["config"]))
    network = build_network(config.model, config.heads, config.crops.global_size)
    _load(network, tensors, "teacher.")
    return network


def export(trainee: Trainee, config: TrainingConfig, backbone: Path, training: Path | None, rank: int) -> None:
    """Gather the shards and write, on rank 0, the average's backbone and what a later phase continues from.

    Args:
        trainee: at the end of its run.
        config: of the run.
        backbone: safetensors file for the average's backbone alone.
        training: safetensors file for student and average with their heads; None writes none.
        rank: of this process; all ranks must call.
    """
    average = _whole(trainee.average)
    student = _whole(trainee.student) if training else {}
    if rank != 0:
        return
    network = build_network(config.model, config.heads, config.crops.global_size)
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
