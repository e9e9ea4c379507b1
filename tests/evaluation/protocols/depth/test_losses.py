import numpy as np
import pytest
import torch

from dinov2.evaluation.protocols.depth.losses import gradient, log_errors, scale_invariant

GENERATOR = np.random.default_rng(0)
PREDICTED = [GENERATOR.uniform(0.5, 5, size) for size in ((9, 12), (7, 5))]
TRUTH = [GENERATOR.uniform(0.5, 5, each.shape) * (GENERATOR.random(each.shape) > 0.3) for each in PREDICTED]


def errors(predicted=PREDICTED):
    return [log_errors(torch.as_tensor(p), torch.as_tensor(t)) for p, t in zip(predicted, TRUTH, strict=True)]


def logs():
    return [
        np.where(t > 0, np.log(p) - np.log(np.where(t > 0, t, 1)), np.nan)
        for p, t in zip(PREDICTED, TRUTH, strict=True)
    ]


def test_the_scale_invariant_loss_is_eigens():
    g = np.concatenate([each[~np.isnan(each)] for each in logs()])
    expected = np.sqrt((g**2).mean() - 0.85 * g.mean() ** 2)
    assert float(scale_invariant(errors())) == pytest.approx(expected, rel=1e-6)


def test_scaling_a_prediction_costs_little_and_deforming_it_much():
    scaled = [log_errors(torch.as_tensor(2 * np.where(t > 0, t, 1)), torch.as_tensor(t)) for t in TRUTH]
    assert float(scale_invariant(scaled)) == pytest.approx(np.sqrt(0.15) * np.log(2), rel=1e-4)
    assert float(gradient(scaled)) == pytest.approx(0, abs=1e-9)


def test_the_gradient_loss_is_that_of_every_pair_of_neighbours():
    expected = 0.0
    for step in (1, 2, 4, 8):
        total, known = 0.0, 0
        for each in (whole[::step, ::step] for whole in logs()):
            height, width = each.shape
            known += int((~np.isnan(each)).sum())
            for y in range(height):
                for x in range(width):
                    for other in ((y + 1, x), (y, x + 1)):
                        if other[0] < height and other[1] < width:
                            total += np.nan_to_num(abs(each[other] - each[y, x]))
        expected += total / max(1, known)
    assert float(gradient(errors())) == pytest.approx(expected, rel=1e-9)


def test_unknown_pixels_have_no_part_in_the_gradient():
    predicted = [torch.tensor(each, requires_grad=True) for each in PREDICTED]
    found = errors(predicted)
    (scale_invariant(found) + gradient(found)).backward()
    for each, truth in zip(predicted, TRUTH, strict=True):
        assert torch.isfinite(each.grad).all()
        assert (each.grad[torch.as_tensor(truth == 0)] == 0).all()
        assert (each.grad[torch.as_tensor(truth > 0)] != 0).any()


def test_a_perfect_prediction_costs_nothing_and_has_a_gradient():
    truth = torch.as_tensor(np.where(TRUTH[0] > 0, TRUTH[0], 1))
    predicted = truth.clone().requires_grad_()
    loss = scale_invariant([log_errors(predicted, truth)])
    loss.backward()
    assert loss.item() < 1e-3
    assert torch.isfinite(predicted.grad).all()
