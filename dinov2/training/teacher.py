"""Frozen teachers: the result of a run, or weights from elsewhere, with heads or without."""

import json
from pathlib import Path

from torch import Tensor

from dinov2.config import parse
from dinov2.errors import DataError
from dinov2.models import load_backbone
from dinov2.models.files import read_networks
from dinov2.models.pickled import is_pickled
from dinov2.models.weights import load_tensors
from dinov2.training.anchors import Headless
from dinov2.training.config import TrainingConfig
from dinov2.training.network import HeadsConfig, Network
from dinov2.training.start import begin
from dinov2.training.trainee import build_network


def load_teacher(path: Path, config: TrainingConfig) -> Network:
    """The network that students are to learn from, in evaluation mode.

    Args:
        path: a training file, whose average teaches; an official .pth, with heads or without; or a backbone. One
            without heads gives a `Headless`, still to be filled.
        config: of the students.

    Raises:
        DataError: the file is missing or damaged, or its patches or prototypes are not those of the students.
        ConfigError: the configuration in it is of another version.
    """
    network = _load(path, config)
    patch, wanted = network.backbone.patch_size, config.model.patch_size
    if patch != wanted:
        raise DataError(f"{path}: a teacher with patches of {patch} pixels; model.patch_size is {wanted}")
    return network.requires_grad_(False).eval()


def _load(path: Path, config: TrainingConfig) -> Network:
    if not is_pickled(path):
        _, metadata = load_tensors(path)
        if "config" in metadata:
            own = parse(TrainingConfig, json.loads(metadata["config"]), str(path))
            _check(path, own.heads.prototypes, config)
            network = build_network(own.model_copy(update={"method": config.method, "precision": config.precision}))
            begin(network, path, "teacher")
            return network
    heads = _heads(read_networks(path))
    if heads is None:
        return Headless(load_backbone(path), config.heads.prototypes)
    _check(path, heads.prototypes, config)
    network = Network(load_backbone(path), heads)
    begin(network, path, "teacher")
    return network


def _check(path: Path, prototypes: int, config: TrainingConfig) -> None:
    if prototypes != config.heads.prototypes:
        raise DataError(f"{path}: a teacher of {prototypes} prototypes; heads.prototypes is {config.heads.prototypes}")


def _heads(tensors: dict[str, Tensor]) -> HeadsConfig | None:
    """The sizes of a network's heads; None if it has none."""
    if "dino_head.mlp.0.weight" not in tensors:
        return None
    shared = "ibot_head.mlp.0.weight" not in tensors
    prototypes, dino_bottleneck = tensors["dino_head.last_layer.weight_v"].shape
    return HeadsConfig(
        prototypes=prototypes,
        hidden=len(tensors["dino_head.mlp.0.weight"]),
        dino_bottleneck=dino_bottleneck,
        ibot_bottleneck=dino_bottleneck if shared else tensors["ibot_head.last_layer.weight_v"].shape[1],
        shared=shared,
    )
