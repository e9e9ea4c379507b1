"""A teacher without heads, such as a released backbone: its tokens are assigned to tokens of its own."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import register_fsdp_forward_method
from torch.nn.functional import normalize

from dinov2.models import VisionTransformer
from dinov2.training.crops import Crops, Parts
from dinov2.training.network import Network

STRIDE = 7919
"""A prime: the patch that is taken moves on by so many from image to image, and so comes from everywhere in it."""


class Anchors(nn.Module):
    """In place of a `DINOHead`: prototypes are tokens, less the mean token and of unit length. Nothing is learnt.

    Args:
        dim: width D of a token.
        prototypes: K.
    """

    mean: Tensor
    prototypes: Tensor

    def __init__(self, dim: int, prototypes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("prototypes", torch.zeros(prototypes, dim))

    def fill(self, tokens_kd: Tensor) -> None:
        """Take K tokens."""
        self.mean.copy_(tokens_kd.mean(dim=0))
        self.prototypes.copy_(normalize(tokens_kd - self.mean, dim=-1))

    def project(self, x_nd: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors (n, D) of tokens (n, D), and the prototypes (K, D)."""
        return normalize(x_nd.float() - self.mean, dim=-1).to(x_nd.dtype), self.prototypes.to(x_nd.dtype)


class Headless(Network):
    """A frozen backbone whose heads are anchors; `anchor` fills them."""

    dino_head: Anchors  # type: ignore[assignment]
    ibot_head: Anchors  # type: ignore[assignment]

    def __init__(self, backbone: VisionTransformer, prototypes: int) -> None:
        nn.Module.__init__(self)
        self.backbone = backbone
        self.dino_head, self.ibot_head = (Anchors(backbone.embed_dim, prototypes) for _ in range(2))

    def tokens(self, images: Tensor, first: int) -> Tensor:
        """Of each of B images the class token and one of its patches (2, B, D), in fp32.

        Args:
            images: (B, 3, H, W).
            first: number of the first image, which the choice of patches depends on.
        """
        features = self.backbone.forward_features(images)
        numbers = torch.arange(len(images), device=images.device)
        chosen = (first + numbers) * STRIDE % features.patches.shape[1]
        return torch.stack([features.cls, features.patches[numbers, chosen]]).float()


@torch.no_grad()
def anchor(network: Headless, steps: Iterable[Parts], prototypes: int) -> None:
    """Fill the anchors of both heads with tokens of the first crop of as many images as there are prototypes.

    Args:
        network: in evaluation mode; all processes must call.
        steps: this process's parts of steps; as many are taken as are needed.
        prototypes: K.
    """
    register_fsdp_forward_method(network, "tokens")
    found: list[Tensor] = []
    count = 0
    for parts in steps:
        own = [_first_crops(network, crops, count) for crops in parts]
        found.append(_over_ranks(torch.cat(own, dim=1)))
        count += found[-1].shape[1]
        if count >= prototypes:
            break
    cls_kd, patches_kd = torch.cat(found, dim=1)[:, :prototypes]
    network.dino_head.fill(cls_kd)
    network.ibot_head.fill(patches_kd)


def _first_crops(network: Headless, crops: Crops, count: int) -> Tensor:
    images = len(crops.globals) // 2
    size = images // len(crops.groups)
    return network.tokens(crops.globals[:images], count + crops.groups.start * size)


def _over_ranks(tokens_2bd: Tensor) -> Tensor:
    """Those of all processes, in the order of the images of the step."""
    if dist.get_world_size() == 1:
        return tokens_2bd
    gathered = [torch.empty_like(tokens_2bd) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, tokens_2bd.contiguous())
    return torch.cat(gathered, dim=1)
