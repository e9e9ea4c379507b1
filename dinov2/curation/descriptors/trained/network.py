"""The network: overlapping convolutions, a small vision transformer, generalised mean, projection."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from dinov2.curation.config import TrainedConfig
from dinov2.curation.descriptors.trained.whitening import whitening
from dinov2.models import create_model
from dinov2.models.depth import Everything
from dinov2.models.packing import pack

FIRST_WIDTH = 32
GEM_POWER, GEM_FLOOR = 3.0, 1e-3
"""Generalised mean (Radenovic et al. 2018): what is strong somewhere counts wherever it is."""
LAYERSCALE = 1.0


class ConvStem(nn.Module):
    """Patches by convolutions of stride 2, which see past a patch's border (Xiao et al. 2021, "Early convolutions")."""

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, width = 3, FIRST_WIDTH
        for _ in range(patch_size.bit_length() - 1):
            layers += [nn.Conv2d(channels, width, 3, 2, padding=1, bias=False), nn.GroupNorm(1, width), nn.GELU()]
            channels, width = width, 2 * width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, dim, 1))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images_b3hw: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, H/p * W/p, D)."""
        return self.layers(images_b3hw.contiguous(memory_format=torch.channels_last)).flatten(2).transpose(1, 2)


class CopyNetwork(nn.Module):
    """Images to unit vectors: the tokens of the stem and of every block, pooled, side by side, projected.

    A crop moves what it shows: tokens are not told where they are, and learn from far fewer pictures that way. What the
    stem sees is local and survives collages; what the blocks see is distinctive.
    """

    def __init__(self, config: TrainedConfig) -> None:
        super().__init__()
        self.vit = create_model(
            "vit_tiny", img_size=config.resolution, patch_size=config.patch_size, embed_dim=config.width,
            depth=config.depth, num_heads=config.heads, layerscale=LAYERSCALE,
        )  # fmt: skip
        self.vit.register_module("patch_embed", ConvStem(config.patch_size, config.width))
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.depth + 1))
        self.projection = nn.Linear(len(self.norms) * config.width, config.dim)

    def forward(self, images_b3hw: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, D)."""
        return normalize(self.projection(self.pooled(images_b3hw)).float(), dim=-1)

    def pooled(self, images_b3hw: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, layers * width): the generalised mean of each layer's patch tokens."""
        patches_bnd = self.vit.patch_embed(images_b3hw)
        layers = [patches_bnd]
        cls_b1d = self.vit.cls_token.to(patches_bnd.dtype).expand(len(patches_bnd), -1, -1)
        x_td, layout = pack([torch.cat([cls_b1d, patches_bnd], dim=1)])
        for block in self.vit.blocks:
            x_td = block(x_td, layout, Everything(), Everything())
            layers.append(layout.split(x_td)[0][:, 1:])
        return torch.cat([_gem(norm(x_bnd)) for norm, x_bnd in zip(self.norms, layers, strict=True)], dim=1)

    @torch.no_grad()
    def spread(self, pooled_nd: Tensor) -> None:
        """Set the projection so that it whitens such vectors.

        A network with random weights gives all images almost the same vector, and learns little before that is over
        (Krähenbühl et al. 2016, "Data-dependent initializations").
        """
        mean, matrix = whitening(pooled_nd.cpu().numpy())
        nn.init.orthogonal_(self.projection.weight)
        weight = self.projection.weight.cpu() @ matrix.T
        self.projection.weight.copy_(weight)
        self.projection.bias.copy_(-weight @ mean)


def _gem(x_bnd: Tensor) -> Tensor:
    """(B, N, D) to (B, D)."""
    return x_bnd.float().clamp(min=GEM_FLOOR).pow(GEM_POWER).mean(dim=1).pow(1 / GEM_POWER)
