import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from dinov2.models.embedding import PatchEmbed, interpolate_positions


def test_patches_equal_a_strided_convolution() -> None:
    embed = PatchEmbed(6, 10).double()
    images = torch.randn(2, 3, 12, 18, dtype=torch.float64)
    expected = conv2d(images, embed.proj.weight, embed.proj.bias, stride=6).flatten(2).transpose(1, 2)
    torch.testing.assert_close(embed(images), expected)


def test_positions_of_the_training_grid_are_left_alone() -> None:
    positions = torch.randn(1, 17, 8)
    assert interpolate_positions(positions, 4, 4, antialias=False, offset=0.1) is positions


def cubic_matrix(count: int, side: int, scale: float) -> Tensor:
    """Rows of bicubic weights (Keys 1981, a = -0.75, borders repeated) that resample `side` points to `count`."""

    def weight(distance: float, a: float = -0.75) -> float:
        d = abs(distance)
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0

    matrix = torch.zeros(count, side, dtype=torch.float64)
    for row in range(count):
        centre = (row + 0.5) / scale - 0.5
        for point in range(math.floor(centre) - 1, math.floor(centre) + 3):
            matrix[row, min(max(point, 0), side - 1)] += weight(centre - point)
    return matrix


@pytest.mark.parametrize("offset", [0.0, 0.1])
@pytest.mark.parametrize(("rows", "columns"), [(16, 12), (5, 7), (8, 3)])
def test_positions_equal_keys_bicubic_interpolation(rows: int, columns: int, offset: float) -> None:
    side = 8
    positions = torch.randn(1, 1 + side * side, 4, dtype=torch.float64)
    down, across = (cubic_matrix(count, side, (count + offset) / side) for count in (rows, columns))
    grid = positions[0, 1:].reshape(side, side, 4)
    expected = torch.einsum("ri,ijd,cj->rcd", down, grid, across).reshape(1, rows * columns, 4)
    found = interpolate_positions(positions, rows, columns, antialias=False, offset=offset)[:, 1:]
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_antialiasing_averages_when_the_grid_shrinks() -> None:
    checkers = (torch.arange(256).reshape(16, 16) % 2).double().reshape(1, 256, 1)
    positions = torch.cat([torch.zeros(1, 1, 1, dtype=torch.float64), checkers], dim=1)
    smooth = interpolate_positions(positions, 4, 4, antialias=True, offset=0.0)[0, 1:].reshape(4, 4)
    torch.testing.assert_close(smooth[:, 1:-1], torch.full((4, 2), 0.5, dtype=torch.float64), atol=0.02, rtol=0)


def test_the_class_position_is_never_resampled() -> None:
    positions = torch.randn(1, 17, 8)
    assert torch.equal(interpolate_positions(positions, 7, 5, antialias=False, offset=0.1)[:, 0], positions[:, 0])
