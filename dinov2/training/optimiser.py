"""AdamW with the published parameter groups and schedules."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor
from torch.nn import Parameter

from dinov2.config import Config
from dinov2.training.network import Network
from dinov2.training.schedules import cosine, linear
from dinov2.training.sharding import local

REFERENCE_BATCH = 1024
Momentum = Annotated[float, Field(ge=0.0, le=1.0)]
Below1 = Annotated[float, Field(ge=0.0, lt=1.0)]


class OptimiserConfig(Config):
    """Rates and schedules, durations in epochs. Defaults are the paper's for ViT-L and ViT-g."""

    base_lr: PositiveFloat = Field(2e-4, description="at a batch of 1024; the square root of batch / 1024 scales it")
    min_lr: NonNegativeFloat = 1e-6
    warmup_epochs: NonNegativeFloat = 80
    weight_decay: tuple[NonNegativeFloat, NonNegativeFloat] = (0.04, 0.2)
    betas: tuple[Below1, Below1] = (0.9, 0.999)
    clip_grad: PositiveFloat = Field(3.0, description="greatest gradient norm, of backbone and each head on its own")
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    patch_embed_lr: PositiveFloat = Field(0.2, description="factor on the rate of the patch projection")
    frozen_last_layer_epochs: NonNegativeFloat = Field(1, description="prototypes stand still for so long at the start")
    teacher_momentum: tuple[Momentum, Momentum] = (0.994, 1.0)
    teacher_temperature_warmup_epochs: NonNegativeFloat = 30


@dataclass(frozen=True)
class Hyper:
    """What the schedules say of one step."""

    lr: float
    last_layer_lr: float
    weight_decay: float
    momentum: float
    teacher_temperature: float


@dataclass(frozen=True)
class Schedules:
    """All schedules of a run.

    Attributes:
        config: start and end values.
        temperatures: of the teacher, start and end.
        batch_size: images of a step over all ranks.
        iterations: length of the run.
        epoch_length: iterations of an epoch.
    """

    config: OptimiserConfig
    temperatures: tuple[float, float]
    batch_size: int
    iterations: int
    epoch_length: float

    def at(self, step: int) -> Hyper:
        """The values of a step, counted from 0."""
        config, total = self.config, self.iterations
        peak = config.base_lr * math.sqrt(self.batch_size / REFERENCE_BATCH)
        lr = cosine(step, total, peak, config.min_lr, self._iterations(config.warmup_epochs))
        frozen = step < self._iterations(config.frozen_last_layer_epochs)
        return Hyper(
            lr=lr,
            last_layer_lr=0.0 if frozen else lr,
            weight_decay=cosine(step, total, *config.weight_decay),
            momentum=cosine(step, total, *config.teacher_momentum),
            teacher_temperature=linear(
                step, self._iterations(config.teacher_temperature_warmup_epochs), *self.temperatures
            ),
        )

    def _iterations(self, epochs: float) -> int:
        return round(epochs * self.epoch_length)


def parameter_groups(network: Network, config: OptimiserConfig) -> list[dict[str, Any]]:
    """Parameters by what multiplies their rate and decay.

    Each group has `lr_factor`, `decay_factor` (0 for biases, norms and LayerScale gains, else 1) and `last_layer`
    (prototypes). With layer-wise decay d, block i of n has the factor d^(n - i), embeddings d^(n + 1), the final norm
    and the heads 1.
    """
    groups: dict[tuple[float, float, bool], list[Parameter]] = {}
    depth = len(network.backbone.blocks)
    for name, parameter in network.named_parameters():
        factor = config.layer_decay ** (depth + 1 - _layer(name, depth))
        if ".patch_embed." in name:
            factor *= config.patch_embed_lr
        decayed = not (name.endswith((".bias", ".gamma")) or ".norm" in name)
        groups.setdefault((factor, float(decayed), "last_layer" in name), []).append(parameter)
    return [
        {"params": params, "lr_factor": lr_factor, "decay_factor": decay_factor, "last_layer": last_layer}
        for (lr_factor, decay_factor, last_layer), params in groups.items()
    ]


def _layer(name: str, depth: int) -> int:
    """0 for the embeddings, i + 1 for block i, depth + 1 for what follows."""
    parts = name.split(".")
    if parts[0] != "backbone" or parts[1] == "norm":
        return depth + 1
    return int(parts[2]) + 1 if parts[1] == "blocks" else 0


def build_optimiser(network: Network, config: OptimiserConfig) -> torch.optim.AdamW:
    """AdamW over the parameter groups; `apply` sets the rates of a step."""
    optimiser = torch.optim.AdamW(parameter_groups(network, config), lr=0.0, betas=config.betas, fused=True)
    # Whoever asks for a state that is not there yet has torch make it by a step, which would count.
    for parameter in network.parameters():
        moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        optimiser.state[parameter] = {"step": torch.zeros((), device=parameter.device)} | moments
    return optimiser


def apply(optimiser: torch.optim.Optimizer, hyper: Hyper) -> None:
    """Set the rate and decay of every group for the coming step."""
    for group in optimiser.param_groups:
        group["lr"] = (hyper.last_layer_lr if group["last_layer"] else hyper.lr) * group["lr_factor"]
        group["weight_decay"] = hyper.weight_decay * group["decay_factor"]


def norms(network: Network) -> dict[str, Tensor]:
    """The norm of all gradients of the backbone and of each head, over all processes."""
    return {name: _norm(parameters) for name, parameters in _clipped_parts(network).items()}


def clip(network: Network, found: dict[str, Tensor], limit: float, factor: float) -> None:
    """Scale the gradients of the backbone and of each head down to a norm of `limit`.

    Args:
        network: with gradients that are `factor` times as large as they should be.
        found: what `norms` gave, divided by `factor`.
        limit: greatest norm of each part.
        factor: of the loss; taken out.
    """
    parts = _clipped_parts(network)
    scales = torch.stack([(limit / (found[name] + 1e-6)).clamp(max=1.0) / factor for name in parts]).tolist()
    for parameters, scale in zip(parts.values(), scales, strict=True):
        if scale != 1.0:
            torch._foreach_mul_([local(each.grad) for each in parameters if each.grad is not None], scale)


def _clipped_parts(network: Network) -> dict[str, list[Parameter]]:
    parts = {"backbone": list(network.backbone.parameters()), "dino_head": list(network.dino_head.parameters())}
    if network.ibot_head is not network.dino_head:
        parts["ibot_head"] = list(network.ibot_head.parameters())
    return parts


def _norm(parameters: list[Parameter]) -> Tensor:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
    return norm.full_tensor() if isinstance(norm, torch.distributed.tensor.DTensor) else norm
