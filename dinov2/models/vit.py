"""The vision transformer of DINOv2, with the official release's parameter names."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn.init import normal_, trunc_normal_, zeros_

from dinov2.errors import ConfigError
from dinov2.models.block import FEED_FORWARD, NORM_EPS, Block
from dinov2.models.depth import Branch, Draw, Everything, keep_some
from dinov2.models.embedding import PatchEmbed, interpolate_positions
from dinov2.models.official import accept_official
from dinov2.models.packing import Layout, pack


@dataclass(frozen=True)
class Features:
    """Normalised tokens of the last layer: `.cls` (B, D), `.registers` (B, R, D), `.patches` (B, N, D)."""

    cls: Tensor
    registers: Tensor
    patches: Tensor


class VisionTransformer(nn.Module):
    """ViT with LayerScale, optional registers and stochastic depth (Oquab et al. 2023; Darcet et al. 2023).

    Args:
        img_size: side of the images whose grid of patches has a position embedding of its own, in pixels.
        patch_size: side of a patch, in pixels; divides `img_size`.
        embed_dim: width D of a token.
        depth: number of blocks.
        num_heads: attention heads; divides `embed_dim`.
        ffn: "mlp" or "swiglu".
        num_registers: extra tokens without position that take up global information.
        interpolate_antialias: for other image sizes; on in the releases with registers.
        interpolate_offset: likewise; 0.1 in the releases without registers, 0.0 with.
        drop_path: share of the sequences that skip a branch in training, the same in every block.
        layerscale: initial gain of every residual branch.

    Raises:
        ConfigError: sizes that do not divide, or an unknown `ffn`.
    """

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 14,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        ffn: str = "mlp",
        num_registers: int = 0,
        interpolate_antialias: bool = False,
        interpolate_offset: float = 0.1,
        drop_path: float = 0.0,
        layerscale: float = 1e-5,
    ) -> None:
        super().__init__()
        if img_size % patch_size:
            raise ConfigError(f"img_size {img_size} is not a multiple of patch_size {patch_size}")
        if embed_dim % num_heads:
            raise ConfigError(f"embed_dim {embed_dim} is not a multiple of num_heads {num_heads}")
        if ffn not in FEED_FORWARD:
            raise ConfigError(f"ffn {ffn!r}; allowed: {', '.join(sorted(FEED_FORWARD))}")
        self.img_size, self.patch_size, self.embed_dim, self.num_heads = img_size, patch_size, embed_dim, num_heads
        self.ffn, self.num_registers, self.layerscale, self.drop_path = ffn, num_registers, layerscale, drop_path
        self.interpolate_antialias, self.interpolate_offset = interpolate_antialias, interpolate_offset

        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + (img_size // patch_size) ** 2, embed_dim))
        self.register_tokens = nn.Parameter(torch.empty(1, num_registers, embed_dim)) if num_registers else None
        self.mask_token = nn.Parameter(torch.zeros(1, embed_dim))
        self.blocks = nn.ModuleList(Block(embed_dim, num_heads, ffn, layerscale) for _ in range(depth))
        self.norm = nn.LayerNorm(embed_dim, eps=NORM_EPS)
        self.register_load_state_dict_pre_hook(accept_official)
        self._initialise()

    def architecture(self) -> dict[str, int | float | str | bool]:
        """The arguments that build a network for the same weights; stochastic depth, a matter of training, is 0."""
        names = ("img_size", "patch_size", "embed_dim", "num_heads", "ffn", "num_registers", "layerscale")
        own = {name: getattr(self, name) for name in (*names, "interpolate_antialias", "interpolate_offset")}
        return own | {"depth": len(self.blocks)}

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) to their normalised class tokens (B, D)."""
        return self.forward_features(x).cls

    def forward_features(self, x: Tensor, masks: Tensor | None = None) -> Features:
        """Tokens of the last layer.

        Args:
            x: images (B, 3, H, W); H and W are multiples of the patch size.
            masks: (B, N) bool, true where a patch is replaced by the mask token.

        Raises:
            ConfigError: H or W is not a multiple of the patch size.
        """
        return self.forward_packed([x], [masks])[0]

    def forward_packed(
        self, images: Sequence[Tensor], masks: Sequence[Tensor | None], draw: Draw | None = None
    ) -> list[Features]:
        """As `forward_features` for batches of several sizes, in one pass through every linear layer.

        Args:
            images: batches (B_i, 3, H_i, W_i).
            masks: for each of them, as in `forward_features`.
            draw: from the layout of the packed tokens, how the two branches of each block are added, 2 x depth of them.
                None keeps every sequence in evaluation, and in training draws from torch's random numbers.
        """
        x_td, layout = pack([self._tokens(x, mask) for x, mask in zip(images, masks, strict=True)])
        branches = draw(layout) if draw else self._branches(layout, x_td.device)
        for number, block in enumerate(self.blocks):
            x_td = block(x_td, layout, *branches[2 * number : 2 * number + 2])
        return [self._features(x_bnd) for x_bnd in layout.split(self.norm(x_td))]

    def get_intermediate_layers(
        self, x: Tensor, n: int | Sequence[int] = 1, reshape: bool = False, norm: bool = True
    ) -> list[tuple[Tensor, Tensor]]:
        """Patch tokens and class tokens after several blocks, for probes.

        Args:
            x: images (B, 3, H, W).
            n: the last n blocks, or the numbers of the blocks wanted, counted from 0.
            reshape: patches as (B, D, H/p, W/p) rather than (B, N, D).
            norm: apply the final norm to each.

        Returns:
            For each block (patches, cls), the cls being (B, D).
        """
        wanted = set(range(len(self.blocks) - n, len(self.blocks)) if isinstance(n, int) else n)
        x_td, layout = pack([self._tokens(x, None)])
        layers = []
        for number, block in enumerate(self.blocks):
            x_td = block(x_td, layout, Everything(), Everything())
            if number in wanted:
                out = self._features(layout.split(self.norm(x_td) if norm else x_td)[0])
                grid = (x.shape[2] // self.patch_size, x.shape[3] // self.patch_size)
                patches = out.patches.transpose(1, 2).unflatten(2, grid) if reshape else out.patches
                layers.append((patches, out.cls))
        return layers

    def _branches(self, layout: Layout, device: torch.device) -> Sequence[Branch]:
        count = 2 * len(self.blocks)
        if not self.training or self.drop_path == 0.0:
            return [Everything()] * count
        counts = [sequences for sequences, _ in layout.groups]
        keys = [torch.rand(count, sequences, device=device) for sequences in counts]
        return keep_some(layout, keys, gcd(*counts), self.drop_path)

    def _tokens(self, x: Tensor, masks: Tensor | None) -> Tensor:
        """(B, 3, H, W) to (B, 1 + R + N, D): cls, registers, patches; cls and patches with their positions."""
        rows, columns = (side // self.patch_size for side in x.shape[2:])
        if x.shape[2] % self.patch_size or x.shape[3] % self.patch_size:
            raise ConfigError(f"images of {x.shape[2]}x{x.shape[3]} pixels: not multiples of patch {self.patch_size}")
        patches_bnd = self.patch_embed(x)
        if masks is not None:
            patches_bnd = torch.where(masks[..., None], self.mask_token.to(patches_bnd.dtype), patches_bnd)
        cls_b1d = self.cls_token.expand(len(x), -1, -1).to(patches_bnd.dtype)
        positions = interpolate_positions(
            self.pos_embed, rows, columns, self.interpolate_antialias, self.interpolate_offset
        )
        tokens_bnd = torch.cat([cls_b1d, patches_bnd], dim=1) + positions.to(patches_bnd.dtype)
        if self.register_tokens is None:
            return tokens_bnd
        registers = self.register_tokens.expand(len(x), -1, -1).to(tokens_bnd.dtype)
        return torch.cat([tokens_bnd[:, :1], registers, tokens_bnd[:, 1:]], dim=1)

    def _features(self, x_bnd: Tensor) -> Features:
        first = 1 + self.num_registers
        return Features(cls=x_bnd[:, 0], registers=x_bnd[:, 1:first], patches=x_bnd[:, first:])

    def _initialise(self) -> None:
        trunc_normal_(self.pos_embed, std=0.02)
        normal_(self.cls_token, std=1e-6)
        if self.register_tokens is not None:
            normal_(self.register_tokens, std=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=0.02)
                zeros_(module.bias)
