import numpy as np
import pytest
import torch

from dinov2.training import projection
from dinov2.training.sinkhorn import sinkhorn_knopp, sinkhorn_potentials


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
    torch.testing.assert_close(found.sum(1), torch.ones(60), rtol=1e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_huge_logits_at_a_tiny_temperature_stay_finite(dtype: torch.dtype) -> None:
    logits = (torch.randn(30, 8) * 50).to(dtype)
    found = sinkhorn_knopp(logits, 0.01)
    assert torch.isfinite(found).all()
    # Scores of some thousands are known to about 5e-4 in fp32.
    torch.testing.assert_close(found.sum(1), torch.ones(30), rtol=2e-3, atol=0)


def test_no_samples_give_no_targets() -> None:
    assert sinkhorn_knopp(torch.empty(0, 8), 0.04).shape == (0, 8)


@pytest.mark.parametrize("chunk", [1, 100, 10**6])
@pytest.mark.parametrize("iterations", [1, 2, 3, 10])
@pytest.mark.parametrize("temperature", [1.0, 0.07, 0.04])
def test_the_potentials_give_the_assignments_of_extended_precision(
    temperature: float, iterations: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(projection.CHUNK, "cpu", chunk)
    logits = np.random.default_rng(1).uniform(-1, 1, (33, 9))
    source = torch.from_numpy(logits).float()
    rows_n1, columns_k = sinkhorn_potentials(
        lambda part: source[:, part], 33, 9, source.device, 1 / temperature, iterations
    )
    assert rows_n1.dtype == columns_k.dtype == torch.float32
    found = np.exp(logits / temperature + rows_n1.numpy() + columns_k.numpy())
    np.testing.assert_allclose(found, reference(logits, temperature, iterations), rtol=3e-5, atol=0)


def test_each_round_looks_at_every_prototype_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(projection.CHUNK, "cpu", 18)
    logits, asked = torch.randn(6, 8), []
    sinkhorn_potentials(lambda part: asked.append(part) or logits[:, part], 6, 8, logits.device, 10.0, 3)
    assert asked == 3 * [slice(0, 3), slice(3, 6), slice(6, 8)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("chunk", [8, 10**6])
def test_the_logits_are_left_as_they_were(dtype: torch.dtype, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(projection.CHUNK, "cpu", chunk)
    logits = torch.randn(30, 8).to(dtype)
    before = logits.clone()
    sinkhorn_knopp(logits, 0.04)
    assert torch.equal(logits, before)


def test_huge_logits_at_a_tiny_temperature_are_assigned_as_extended_precision_has_it() -> None:
    logits = np.random.default_rng(2).normal(0, 10, (30, 8)).astype(np.float32)
    found = sinkhorn_knopp(torch.from_numpy(logits), 0.01).double().numpy()
    expected = reference(logits, 0.01, 3)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


def test_prototypes_that_no_sample_is_near_take_their_share() -> None:
    torch.manual_seed(0)
    logits = torch.randn(20, 6)
    logits[:, 4] -= 500.0
    found = sinkhorn_knopp(logits, 0.5, n_iterations=100)
    torch.testing.assert_close(found.sum(0), torch.full((6,), 20 / 6), rtol=1e-3, atol=0)
