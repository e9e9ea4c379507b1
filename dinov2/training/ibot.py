"""The way before DINOv2 (Zhou et al. 2022, iBOT), for ablation and as the yardstick.

One forward pass for each size of crop, parameters replicated in fp32 under autocast, sequences that stochastic depth
drops computed and multiplied by zero, logits and their gradients whole. The losses are the same ones.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

from dinov2.models import DINOHead, VisionTransformer
from dinov2.models.depth import Draw, Zeroed
from dinov2.models.packing import Layout
from dinov2.training.losses import dino_loss, ibot_loss
from dinov2.training.network import HeadsConfig, Network, Outputs
from dinov2.training.objective import Objective
from dinov2.training.projection import Projection
from dinov2.training.targets import Assignments

ALL = slice(None)


class IbotNetwork(Network):
    """Backbone and heads that compute under autocast to `dtype`."""

    def __init__(self, backbone: VisionTransformer, heads: HeadsConfig, dtype: torch.dtype) -> None:
        super().__init__(backbone, heads)
        self.dtype = dtype

    def forward(
        self,
        globals_: Tensor,
        locals_: Tensor | None,
        masks: Tensor | None,
        chosen: Tensor,
        draw: Draw | None = None,
    ) -> Outputs:
        """One pass for each size of crop; see `Network.forward`."""
        crops = [globals_] if locals_ is None else [globals_, locals_]
        draws = self._draws(draw, crops)
        with torch.autocast(globals_.device.type, self.dtype, enabled=self.dtype != torch.float32):
            passes = zip(crops, [masks, None][: len(crops)], draws, strict=True)
            features = [self.backbone.forward_packed([x], [mask], own)[0] for x, mask, own in passes]
            patches_md = features[0].patches.flatten(0, 1)[chosen]
            cls_logits = self._project(self.dino_head, torch.cat([part.cls for part in features]))
            return Outputs(features[0].cls, cls_logits, self._project(self.ibot_head, patches_md))

    def _project(self, head: DINOHead, x_nd: Tensor) -> Projection:
        features, prototypes = head.project(x_nd)
        return Projection(features.to(self.dtype), prototypes.to(self.dtype))

    def _draws(self, draw: Draw | None, crops: list[Tensor]) -> list[Draw | None]:
        """For each size of crop its part of what `draw` says of all of them."""
        if draw is None:
            return [None] * len(crops)
        special, area = 1 + self.backbone.num_registers, self.backbone.patch_size**2
        layout = Layout(tuple((len(x), special + x.shape[2] * x.shape[3] // area) for x in crops))
        factors = [branch.factors.split(layout.sizes) for branch in draw(layout) if isinstance(branch, Zeroed)]
        return [lambda _, size=size: [Zeroed(parts[size]) for parts in factors] for size in range(len(crops))]  # type: ignore[misc]


class IbotObjective(Objective):
    """The same losses from whole logits."""

    def _dino(self, student: Projection, targets: Assignments, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        logits_cbk = linear(student.features, student.prototypes).unflatten(0, (-1, batch))
        assigned = targets(ALL).unflatten(0, (2, batch))
        own, local = dino_loss(logits_cbk[:2], logits_cbk[2:], assigned, self.config.student_temperature)
        return own + local, own.detach(), local.detach()

    def _ibot(self, student: Projection, targets: Assignments, masks: Tensor) -> Tensor:
        logits_mk = linear(student.features, student.prototypes)
        return ibot_loss(logits_mk, targets(ALL), masks, self.config.student_temperature)
