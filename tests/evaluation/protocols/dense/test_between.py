import pytest
import torch
from torch.nn.functional import interpolate

from dinov2.evaluation.protocols.dense.between import at_pixels, enlarge, weights

SIZES = [(9, 14), (30, 20), (3, 5)]


def test_values_at_pixels_are_those_of_an_enlarged_grid():
    generator = torch.Generator().manual_seed(0)
    x_bhwc = torch.randn(3, 3, 5, 4, generator=generator, requires_grad=True)
    rows = torch.stack([torch.randint(height, (50,), generator=generator) for height, _ in SIZES])
    columns = torch.stack([torch.randint(width, (50,), generator=generator) for _, width in SIZES])
    found = at_pixels(x_bhwc, rows, columns, SIZES)
    for number, size in enumerate(SIZES):
        large = interpolate(x_bhwc[number].permute(2, 0, 1)[None], size=size, mode="bilinear", align_corners=False)[0]
        expected = large[:, rows[number], columns[number]].T
        torch.testing.assert_close(found[number], expected, atol=1e-5, rtol=1e-5)
        slopes = [
            torch.autograd.grad((each**2).sum(), x_bhwc, retain_graph=True)[0] for each in (found[number], expected)
        ]
        torch.testing.assert_close(*slopes, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("pixels", "patches"), [(10, 3), (3, 3), (2, 5), (7, 1)])
def test_weights_enlarge_one_side(pixels, patches):
    x = torch.randn(1, 2, patches, generator=torch.Generator().manual_seed(0))
    expected = interpolate(x, size=pixels, mode="linear", align_corners=False)
    torch.testing.assert_close(x @ weights(pixels, patches, x.device).T, expected)
    torch.testing.assert_close(weights(pixels, patches, x.device).sum(1), torch.ones(pixels))


@pytest.mark.parametrize("size", SIZES)
def test_enlarging_is_bilinear_and_so_is_its_gradient(size):
    first, second = (torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in "ab")
    found, expected = enlarge(first, size), interpolate(second, size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, expected)
    (found**2).sum().backward()
    (expected**2).sum().backward()
    torch.testing.assert_close(first.grad, second.grad)
