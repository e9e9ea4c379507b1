import numpy as np
import pytest
import torch

from dinov2.training.sinkhorn import sinkhorn_knopp


def reference(logits: np.ndarray, temperature: float, iterations: int) -> np.ndarray:
    """Plain Sinkhorn-Knopp in extended precision on the exponentials themselves."""
    q = np.exp(logits.astype(np.longdouble) / temperature)
    for _ in range(iterations):
        q /= q.sum(axis=0, keepdims=True) * q.shape[1]
        q /= q.sum(axis=1, keepdims=True) * q.shape[0]
    return (q / q.sum(axis=1, keepdims=True)).astype(np.float64)


@pytest.mark.parametrize("temperature", [1.0, 0.07, 0.04, 0.01])
@pytest.mark.parametrize(("samples", "prototypes"), [(40, 12), (5, 64)])
def test_equals_plain_sinkhorn_in_extended_precision(temperature: float, samples: int, prototypes: int) -> None:
    logits = np.random.default_rng(0).uniform(-1, 1, (samples, prototypes))
    found = sinkhorn_knopp(torch.from_numpy(logits), temperature).double().numpy()
    np.testing.assert_allclose(found, reference(logits, temperature, 3), rtol=2e-3, atol=1e-6)


def test_many_iterations_use_all_prototypes_alike() -> None:
    logits = torch.randn(60, 10)
    found = sinkhorn_knopp(logits, 0.5, n_iterations=200)
    torch.testing.assert_close(found.sum(0), torch.full((10,), 6.0), rtol=1e-3, atol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(60))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_huge_logits_at_a_tiny_temperature_stay_finite(dtype: torch.dtype) -> None:
    logits = (torch.randn(30, 8) * 50).to(dtype)
    found = sinkhorn_knopp(logits, 0.01)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.sum(1), torch.ones(30))


def test_no_samples_give_no_targets() -> None:
    assert sinkhorn_knopp(torch.empty(0, 8), 0.04).shape == (0, 8)
