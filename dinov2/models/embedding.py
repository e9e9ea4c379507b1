"""From pixels to tokens: the patch projection and the interpolation of position embeddings."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, linear


class PatchEmbed(nn.Module):
    """Linear projection of non-overlapping patches.

    The parameters are a convolution's, as in the official release; computing it as a matrix product over unfolded
    patches gives the same numbers and is faster, above all in bf16 on a CPU.
    """

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(3, dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, images_b3hw: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, H/p * W/p, D), patches in rows from the top left."""
        p = self.patch_size
        patches = images_b3hw.unflatten(3, (-1, p)).unflatten(2, (-1, p))
        flat = patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        return linear(flat, self.proj.weight.flatten(1), self.proj.bias)


def interpolate_positions(pos_1nd: Tensor, rows: int, columns: int, antialias: bool, offset: float) -> Tensor:
    """Position embeddings for a grid of `rows` x `columns` patches, from those of the square grid of training.

    Args:
        pos_1nd: (1, 1 + M * M, D), the class token's position first; it is kept as it is.
        rows: patches down the image.
        columns: patches across.
        antialias: low-pass before sampling (the releases with registers: on).
        offset: added to the wanted size before the scale factor is formed. 0.1 in the releases without registers:
            resampled positions differ slightly from those at the exact size, and their weights expect it.

    Returns:
        (1, 1 + rows * columns, D), in the type of `pos_1nd`; computed bicubically in fp32.
    """
    side = round((pos_1nd.shape[1] - 1) ** 0.5)
    if (rows, columns) == (side, side):
        return pos_1nd
    grid = pos_1nd[:, 1:].float().unflatten(1, (side, side)).permute(0, 3, 1, 2)
    if offset:
        factors = ((rows + offset) / side, (columns + offset) / side)
        resized = interpolate(grid, scale_factor=factors, mode="bicubic", antialias=antialias)
    else:
        resized = interpolate(grid, size=(rows, columns), mode="bicubic", antialias=antialias)
    assert resized.shape[-2:] == (rows, columns), "an offset below 1 gives the wanted size"
    return torch.cat([pos_1nd[:, :1], resized.flatten(2).transpose(1, 2).to(pos_1nd.dtype)], dim=1)
