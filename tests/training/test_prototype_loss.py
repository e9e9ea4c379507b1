from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dinov2.training import projection
from dinov2.training.projection import Projection
from dinov2.training.prototype_loss import prototype_loss
from tests.training.memory import Largest

ROWS, WIDTH, PROTOTYPES, TEMPERATURE = 23, 6, 37, 0.1


def unit(*shape: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def make(rows: int = ROWS) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, prototypes, targets and weights, in float64."""
    torch.manual_seed(0)
    targets = torch.randn(rows, PROTOTYPES, dtype=torch.float64).mul(3).softmax(-1)
    weights = torch.rand(rows, dtype=torch.float64) + 0.5
    return unit(rows, WIDTH), 1.3 * unit(PROTOTYPES, WIDTH), targets, weights


def whole(features: Tensor, prototypes: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, on all logits."""
    logs = (features @ prototypes.T / TEMPERATURE).log_softmax(-1)
    each = -(targets * logs).sum(-1)
    return (each * weights).sum(), each


def reading(targets: Tensor, asked: list[slice] | None = None) -> Callable[[slice], Tensor]:
    """Hands out those of some of the prototypes; notes which in `asked`."""

    def targets_of(part: slice) -> Tensor:
        if asked is not None:
            asked.append(part)
        return targets[:, part]

    return targets_of


@pytest.mark.parametrize("columns", [1, 5, 36, 37, 38, 10**6])
def test_equals_the_loss_on_whole_logits_with_both_gradients(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(projection.CHUNK, "cpu", columns * ROWS + 2)
    features, prototypes, targets, weights = make()
    told = [x.clone().requires_grad_() for x in (features, prototypes)]
    truth = [x.clone().requires_grad_() for x in (features, prototypes)]
    asked: list[slice] = []
    loss, rows = prototype_loss(Projection(*told), reading(targets, asked), weights, TEMPERATURE)
    expected, expected_rows = whole(*truth, targets, weights)
    assert len(asked) == -(-PROTOTYPES // columns)
    assert not rows.requires_grad
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(rows.double(), expected_rows, rtol=1e-5, atol=0)
    gradients = torch.autograd.grad(3 * loss, told)
    for found, own in zip(gradients, torch.autograd.grad(3 * expected, truth), strict=True):
        torch.testing.assert_close(found, own, rtol=1e-5, atol=1e-5 * float(own.abs().max()))


def test_no_rows_have_no_loss_and_no_gradient() -> None:
    features, prototypes, targets, weights = make(0)
    told = [features.requires_grad_(), prototypes.requires_grad_()]
    loss, rows = prototype_loss(Projection(*told), reading(targets), weights, TEMPERATURE)
    assert loss.item() == 0.0
    assert rows.shape == (0,)
    gradients = torch.autograd.grad(loss, told)
    assert gradients[0].shape == (0, WIDTH)
    assert torch.equal(gradients[1], torch.zeros_like(prototypes))


def test_a_factor_without_gradient_is_left_alone() -> None:
    features, prototypes, targets, weights = make()
    told, truth = features.clone().requires_grad_(), features.clone().requires_grad_()
    loss, _ = prototype_loss(Projection(told, prototypes), reading(targets), weights, TEMPERATURE)
    loss.backward()
    (expected,) = torch.autograd.grad(whole(truth, prototypes, targets, weights)[0], truth)
    torch.testing.assert_close(told.grad, expected, rtol=1e-5, atol=1e-5)
    assert prototypes.grad is None


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("largest", [1.0, 1e-6, 1e-9])
def test_half_precision_is_right_to_its_own_rounding_however_small_the_weights(
    dtype: torch.dtype, tolerance: float, largest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(projection.CHUNK, "cpu", 5 * ROWS)
    features, prototypes, targets, weights = make()
    features, prototypes, weights = features.to(dtype), prototypes.to(dtype), (weights * largest).float()
    told = [x.clone().requires_grad_() for x in (features, prototypes)]
    loss, _ = prototype_loss(Projection(*told), reading(targets.float()), weights, TEMPERATURE)
    truth = [x.double().requires_grad_() for x in (features, prototypes)]
    expected, _ = whole(*truth, targets, weights.double())
    torch.testing.assert_close(loss.double(), expected, rtol=tolerance, atol=0)
    assert loss.dtype == torch.float32
    # A scale of the loss keeps what is handed on within the range of half precision, as in training.
    scale = 1.0 / largest
    gradients = torch.autograd.grad(loss, told, torch.tensor(scale))
    for found, own in zip(gradients, torch.autograd.grad(expected * scale, truth), strict=True):
        assert found.dtype == dtype
        assert (found.double() - own).norm() <= tolerance * own.norm()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_flat_predictions_over_many_prototypes_keep_their_gradient(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    rows, prototypes = 16, 60_000
    features, matrix = unit(rows, WIDTH).to(dtype), unit(prototypes, WIDTH).to(dtype)
    targets, weights = torch.randn(rows, prototypes).softmax(-1), torch.full((rows,), 1e-4)
    told, truth = matrix.clone().requires_grad_(), matrix.double().requires_grad_()
    loss, _ = prototype_loss(Projection(features, told), reading(targets), weights, TEMPERATURE)
    expected, _ = whole(features.double(), truth, targets.double(), weights.double())
    (found,) = torch.autograd.grad(loss, told, torch.tensor(2.0**20))
    (own,) = torch.autograd.grad(expected * 2.0**20, truth)
    assert (found.double() - own).norm() <= 1e-2 * own.norm()


def test_all_rows_on_one_prototype_do_not_overflow_in_fp16() -> None:
    rows = 3000
    features, prototypes = torch.eye(1, 2).repeat(rows, 1).half(), torch.eye(2).half().requires_grad_()
    targets, weights = torch.tensor([[0.0, 1.0]]).repeat(rows, 1), torch.full((rows,), 1 / rows)
    loss, _ = prototype_loss(Projection(features, prototypes), reading(targets), weights, 0.05)
    (gradient,) = torch.autograd.grad(loss, prototypes)
    torch.testing.assert_close(gradient, torch.tensor([[20.0, 0.0], [-20.0, 0.0]]).half(), rtol=2e-3, atol=0)


def test_no_tensor_is_larger_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, prototypes, chunk = 400, 500, 4000
    monkeypatch.setitem(projection.CHUNK, "cpu", chunk)
    monkeypatch.setitem(projection.KEPT, "cpu", 0)
    features, weights = unit(rows, WIDTH).requires_grad_(), torch.ones(rows)
    matrix = unit(prototypes, WIDTH).requires_grad_()
    with Largest() as largest:
        targets = lambda part: torch.full((rows, part.stop - part.start), 1 / prototypes).double()  # noqa: E731
        loss, _ = prototype_loss(Projection(features, matrix), targets, weights, TEMPERATURE)
        loss.backward()
    assert matrix.grad is not None
    assert largest.numbers == chunk
    assert rows * prototypes >= 50 * chunk
