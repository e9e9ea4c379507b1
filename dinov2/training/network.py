"""What student and teacher both are: a backbone with a DINO and an iBOT head."""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.init import trunc_normal_

from dinov2.config import Config
from dinov2.models import DINOHead, VisionTransformer
from dinov2.models.depth import Draw
from dinov2.training.projection import Projection

Start = Literal["published", "fan_in"]


class HeadsConfig(Config):
    """Sizes of the projection heads. Defaults are the paper's."""

    prototypes: PositiveInt = 131072
    hidden: PositiveInt = 2048
    dino_bottleneck: PositiveInt = 384
    ibot_bottleneck: PositiveInt = 256
    shared: bool = False


@dataclass(frozen=True)
class Outputs:
    """What one network says of a batch.

    Attributes:
        cls: normalised class tokens of the global crops (2 B, D).
        cls_logits: of the global, then of the local crops (2 B + L B rows).
        patch_logits: one row for each chosen patch of the global crops (m rows).
    """

    cls: Tensor
    cls_logits: Projection
    patch_logits: Projection


class Network(nn.Module):
    """Backbone and heads; with `shared` both heads are one."""

    def __init__(self, backbone: VisionTransformer, heads: HeadsConfig) -> None:
        super().__init__()
        self.backbone = backbone
        width = backbone.embed_dim
        self.dino_head = DINOHead(width, heads.prototypes, heads.hidden, heads.dino_bottleneck)
        self.ibot_head = (
            self.dino_head if heads.shared else DINOHead(width, heads.prototypes, heads.hidden, heads.ibot_bottleneck)
        )

    def forward(
        self,
        globals_: Tensor,
        locals_: Tensor | None,
        masks: Tensor | None,
        chosen: Tensor,
        draw: Draw | None = None,
    ) -> Outputs:
        """One pass over all crops.

        Args:
            globals_: (2 B, 3, G, G).
            locals_: (L B, 3, l, l), or None.
            masks: (2 B, N) bool, patches of the global crops to hide; None hides nothing.
            chosen: (m,) numbers of the patches, counted over (2 B x N), whose logits are wanted.
            draw: of stochastic depth, see `VisionTransformer.forward_packed`.
        """
        crops = [globals_] if locals_ is None else [globals_, locals_]
        features = self.backbone.forward_packed(crops, [masks, None][: len(crops)], draw)
        patches_md = features[0].patches.flatten(0, 1).index_select(0, chosen)
        return Outputs(
            cls=features[0].cls.contiguous(),
            cls_logits=Projection(*self.dino_head.project(torch.cat([part.cls for part in features]))),
            patch_logits=Projection(*self.ibot_head.project(patches_md)),
        )


def initialise(network: Network, start: Start) -> None:
    """Random weights of linear layers.

    Args:
        network: as it was built, with those of "published".
        start: "published" is a deviation of 0.02 throughout, which suits widths from 384 on; "fan_in" is
            1 / sqrt(inputs), with which narrow networks pass their input on from the first step.
    """
    if start == "fan_in":
        for module in network.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=module.in_features**-0.5)
