import math

import pytest
import torch
from torch import Tensor

from dinov2.training.losses import cross_entropy, dino_loss, ibot_loss, koleo_loss


def probabilities(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).mul(3).softmax(-1)


def test_cross_entropy_equals_its_definition() -> None:
    targets, logits = probabilities(6, 11), torch.randn(6, 11, dtype=torch.float64)
    expected = -(targets * (logits / 0.1).log_softmax(-1)).sum(-1)
    torch.testing.assert_close(cross_entropy(targets, logits, 0.1).double(), expected, rtol=1e-5, atol=1e-5)


def test_dino_loss_is_the_mean_over_all_pairs_of_unlike_crops() -> None:
    batch, prototypes, local_count = 3, 7, 4
    targets = probabilities(2, batch, prototypes)
    student = torch.randn(2 + local_count, batch, prototypes, dtype=torch.float64)
    by_pair = [
        -(targets[taught] * (student[told] / 0.1).log_softmax(-1)).sum(-1).mean()
        for taught in range(2)
        for told in range(2 + local_count)
        if told != taught
    ]
    found = sum(dino_loss(student[:2].float(), student[2:].float(), targets.float()))
    assert len(by_pair) == 2 + 2 * local_count
    assert float(found) == pytest.approx(float(sum(by_pair)) / len(by_pair), rel=1e-5)


def test_dino_loss_without_local_crops_is_that_of_the_two_crossed_pairs() -> None:
    targets, student = probabilities(2, 3, 7).float(), torch.randn(2, 3, 7)
    crossed, local = dino_loss(student, student[:0], targets)
    expected = cross_entropy(targets[1], student[0], 0.1).mean() + cross_entropy(targets[0], student[1], 0.1).mean()
    assert float(crossed) == pytest.approx(float(expected) / 2, rel=1e-5)
    assert float(local) == 0.0


def test_ibot_loss_weighs_every_masked_crop_alike_and_divides_by_all_crops() -> None:
    masks = torch.zeros(4, 6, dtype=torch.bool)
    masks[0, :5], masks[2, 3] = True, True
    targets, logits = probabilities(6, 9), torch.randn(6, 9, dtype=torch.float64)
    each = -(targets * (logits / 0.1).log_softmax(-1)).sum(-1)
    expected = (each[:5].mean() + each[5]) / 4
    assert float(ibot_loss(logits.float(), targets.float(), masks)) == pytest.approx(float(expected), rel=1e-5)


def test_ibot_loss_of_no_masked_patch_is_zero() -> None:
    assert float(ibot_loss(torch.empty(0, 9), torch.empty(0, 9), torch.zeros(4, 6, dtype=torch.bool))) == 0.0


def test_koleo_loss_equals_brute_force() -> None:
    x = torch.randn(20, 5, dtype=torch.float64)
    unit = x / x.norm(dim=1, keepdim=True)
    logs = []
    for one in range(20):
        distances = [float((unit[one] - unit[other]).norm()) for other in range(20) if other != one]
        logs.append(math.log(min(distances)))
    assert float(koleo_loss(x)) == pytest.approx(-sum(logs) / 20, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_koleo_loss_of_coinciding_images_is_finite(dtype: torch.dtype) -> None:
    assert torch.isfinite(koleo_loss(torch.randn(1, 8).repeat(6, 1).to(dtype)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_gradients_of_coinciding_images_are_finite(dtype: torch.dtype) -> None:
    x = torch.randn(1, 8).repeat(6, 1).to(dtype).requires_grad_()
    koleo_loss(x).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_koleo_loss_of_one_image_is_zero() -> None:
    assert float(koleo_loss(torch.randn(1, 8))) == 0.0
