"""Values between patches: bilinear, as images are enlarged, corners not aligned."""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, interpolate


def at_pixels(x_bhwc: Tensor, rows_bp: Tensor, columns_bp: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
    """What grids enlarged to the sizes of their images hold at some pixels, (B, P, C), without enlarging them.

    Args:
        x_bhwc: values on B grids of patches.
        rows_bp: int64 rows of P pixels of each image.
        columns_bp: likewise columns.
        sizes: height and width of each image.
    """
    batch, height, width, _ = x_bhwc.shape
    tall, wide = torch.tensor(sizes, device=x_bhwc.device).T[..., None]
    top_bp, below_bp, down_bp = _neighbours(rows_bp, tall, height)
    left_bp, right_bp, across_bp = _neighbours(columns_bp, wide, width)
    corners = [(row, column) for row in (top_bp, below_bp) for column in (left_bp, right_bp)]
    shares = [down * across for down in (1 - down_bp, down_bp) for across in (1 - across_bp, across_bp)]
    first_b1 = height * width * torch.arange(batch, device=x_bhwc.device)[:, None]
    index_bp4 = torch.stack([first_b1 + row * width + column for row, column in corners], dim=2)
    found = embedding_bag(
        index_bp4.flatten(0, 1),
        x_bhwc.flatten(0, 2),
        per_sample_weights=torch.stack(shares, dim=2).flatten(0, 1).to(x_bhwc.dtype),
        mode="sum",
    )
    return found.unflatten(0, rows_bp.shape)


def _neighbours(pixel_bp: Tensor, pixels: Tensor, patches: int) -> tuple[Tensor, Tensor, Tensor]:
    """The patches before and after each pixel along one side, and how far it is on the way to the second."""
    place_bp = ((pixel_bp + 0.5) * patches / pixels - 0.5).clamp(0, patches - 1).float()
    first_bp = place_bp.floor().long()
    return first_bp, (first_bp + 1).clamp(max=patches - 1), place_bp - first_bp


def enlarge(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., h, w) at another size, bilinearly.

    As products of matrices, whose gradients on a GPU are the same each time; those of torch's interpolation are not.
    """
    down, across = weights(size[0], x.shape[-2], x.device), weights(size[1], x.shape[-1], x.device)
    return down @ x @ across.T


def weights(pixels: int, patches: int, device: torch.device) -> Tensor:
    """(pixels, patches): the share of each patch in each pixel, along one side."""
    one_by_one = torch.eye(patches, device=device)[None]
    return interpolate(one_by_one, size=pixels, mode="linear", align_corners=False)[0].T.contiguous()
