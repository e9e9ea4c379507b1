"""How much arithmetic a run is: the matrix products of its networks, counted from its configuration.

A product of (n, k) and (k, m) is 2 n k m operations (FLOP). Forward, with T tokens in a sequence, D wide:

    patch projection     2 x patches x 3 p^2 D
    a block              2 T x its weights + 4 T^2 D      (queries times keys, and weights times values)
    a head, each row     2 x (weights of its MLP + prototypes x bottleneck)

A backward pass is twice the forward one, but that nothing needs the gradient of the pixels. Of the student's sequences
each branch takes those that stochastic depth keeps. The teacher sees global crops only and goes forward only. What is
computed again to save memory is not counted, nor what is no matrix product: these are the operations of model FLOP
utilisation (Chowdhery et al. 2022, PaLM, appendix B).
"""

from collections.abc import Sequence

import torch
from torch import nn

from dinov2.models import DINOHead, VisionTransformer
from dinov2.models.depth import kept_of
from dinov2.training.config import TrainingConfig
from dinov2.training.network import HeadsConfig

BACKWARD = 2
"""Times the forward pass."""


def step_flops(students: Sequence[TrainingConfig], frozen: VisionTransformer | None = None) -> float:
    """FLOP of one step of students that are trained together, over all processes.

    Args:
        students: of one teacher; equal but for their models.
        frozen: the teacher's backbone, whose heads are taken to be of the students' sizes; None where the student's
            moving average teaches.
    """
    first, distilling = students[0], frozen is not None
    teacher = frozen or backbone_of(first)
    each = _teaching(first, teacher, distilling) + sum(_learning(config, distilling) for config in students)
    return first.batch_size * each


def backbone_of(config: TrainingConfig) -> VisionTransformer:
    """The architecture, without memory for weights."""
    with torch.device("meta"):
        return config.model.build(config.crops.global_size)


def forward_flops(backbone: VisionTransformer, side: int) -> float:
    """FLOP of describing one square image of `side` pixels."""
    return _projection(backbone, side) + _blocks(backbone, side)


def _learning(config: TrainingConfig, distilling: bool) -> float:
    """Forward and backward of the student over the crops of one image."""
    backbone, crops = backbone_of(config), config.crops
    share = 1.0 if config.method == "ibot" else kept_of(config.group_size, config.model.drop_path) / config.group_size
    sizes = ((2, crops.global_size), (crops.local_count, crops.local_size))
    blocks = share * sum(count * _blocks(backbone, side) for count, side in sizes)
    projection = sum(count * _projection(backbone, side) for count, side in sizes)
    heads = _heads(config, backbone, 2 + crops.local_count, distilling)
    # Pixels need no gradient: the projection has but that of its weights.
    return (1 + BACKWARD) * (blocks + heads) + (1 + 1) * projection


def _teaching(config: TrainingConfig, teacher: VisionTransformer, distilling: bool) -> float:
    """Forward of the teacher over the global crops of one image."""
    return 2 * forward_flops(teacher, config.crops.global_size) + _heads(config, teacher, 2, distilling)


def _heads(config: TrainingConfig, backbone: VisionTransformer, crops: int, distilling: bool) -> float:
    """Forward of both heads for one image: class tokens of so many crops, and the patches that are predicted."""
    dino, ibot = _meta_heads(backbone.embed_dim, config.heads)
    patches = 2 * (config.crops.global_size // config.model.patch_size) ** 2
    low, high = config.masks.ratio
    predicted = patches * (1.0 if distilling else config.masks.probability * (low + high) / 2)
    return crops * _row(dino) + predicted * _row(ibot)


def _meta_heads(width: int, heads: HeadsConfig) -> tuple[DINOHead, DINOHead]:
    with torch.device("meta"):
        dino = DINOHead(width, heads.prototypes, heads.hidden, heads.dino_bottleneck)
        if heads.shared:
            return dino, dino
        return dino, DINOHead(width, heads.prototypes, heads.hidden, heads.ibot_bottleneck)


def _row(head: DINOHead) -> float:
    return 2.0 * (_weights(head) + head.last_layer.weight_v.numel())


def _projection(backbone: VisionTransformer, side: int) -> float:
    return 2.0 * (side // backbone.patch_size) ** 2 * backbone.patch_embed.proj.weight.numel()


def _blocks(backbone: VisionTransformer, side: int) -> float:
    tokens = 1 + backbone.num_registers + (side // backbone.patch_size) ** 2
    return len(backbone.blocks) * (2.0 * tokens * _weights(backbone.blocks[0]) + 4.0 * tokens**2 * backbone.embed_dim)


def _weights(module: nn.Module) -> int:
    """Numbers in the matrices of its linear layers, whole ones where they are sharded."""
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))
