import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from dinov2.evaluation.protocols import softmax as module
from dinov2.evaluation.protocols.softmax import Softmax, fit
from tests.evaluation.protocols.clouds import clouds

CPU = torch.device("cpu")
TRAIN, TEST = clouds(200, 5, 12, seed=0), clouds(100, 5, 12, seed=1)


def fitted(c: float, intercept: bool = True, tolerance: float = 1e-9, start: Softmax | None = None) -> Softmax:
    inputs, labels = torch.from_numpy(TRAIN.inputs_nd), torch.from_numpy(TRAIN.labels_n)
    return fit(inputs, labels, start or Softmax.zeros(12, 5, CPU), c, 2000, tolerance, intercept)


def scikit_learns(c: float, intercept: bool = True, tolerance: float = 1e-9) -> LogisticRegression:
    model = LogisticRegression(C=c, tol=tolerance, max_iter=2000, fit_intercept=intercept)
    return model.fit(TRAIN.inputs_nd.astype(np.float64), TRAIN.labels_n)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("c", [1e-4, 0.1, 1.0, 100.0])
def test_weights_are_scikit_learns(c, intercept):
    ours, theirs = fitted(c, intercept), scikit_learns(c, intercept)
    assert ours.converged
    np.testing.assert_allclose(ours.weight_dc.numpy().T, theirs.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.bias_c.numpy(), np.broadcast_to(theirs.intercept_, 5), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(ours.predicted(TEST.inputs_nd), theirs.predict(TEST.inputs_nd))
    assert ours.loss(TEST) == pytest.approx(log_loss(TEST.labels_n, theirs.predict_proba(TEST.inputs_nd)), abs=1e-5)


def test_of_two_classes_it_is_scikit_learns_sigmoid_of_twice_the_c():
    pair = clouds(120, 2, 12, seed=0, spread=2.5)
    inputs, labels = torch.from_numpy(pair.inputs_nd), torch.from_numpy(pair.labels_n)
    ours = fit(inputs, labels, Softmax.zeros(12, 2, CPU), 0.5, 2000, 1e-9, True)
    theirs = LogisticRegression(C=1.0, tol=1e-9, max_iter=2000).fit(pair.inputs_nd.astype(np.float64), pair.labels_n)
    difference = (ours.weight_dc[:, 1] - ours.weight_dc[:, 0]).numpy()
    np.testing.assert_allclose(difference, theirs.coef_[0], rtol=1e-4, atol=1e-6)


def test_at_the_tolerance_of_both_they_answer_alike():
    ours, theirs = fitted(10.0, tolerance=1e-4), scikit_learns(10.0, tolerance=1e-4)
    probabilities = ours.logits(torch.from_numpy(TEST.inputs_nd)).softmax(dim=1).numpy()
    np.testing.assert_allclose(probabilities, theirs.predict_proba(TEST.inputs_nd.astype(np.float64)), atol=5e-3)


def test_blocks_of_any_size_and_any_start_lead_to_the_same_weights(monkeypatch):
    whole = fitted(1.0)
    warm = fitted(1.0, start=fitted(0.01))
    np.testing.assert_allclose(warm.weight_dc, whole.weight_dc, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(module, "AT_ONCE", 100)
    monkeypatch.setattr(module, "WHOLE", 10)
    parts = fitted(1.0)
    np.testing.assert_allclose(parts.weight_dc, whole.weight_dc, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(parts.predicted(TEST.inputs_nd), whole.predicted(TEST.inputs_nd))


def test_an_answer_may_be_kept_to_some_classes():
    found = fitted(1.0)
    logits = found.logits(torch.from_numpy(TEST.inputs_nd)).numpy()
    expected = np.array([1, 3, 4])[logits[:, [1, 3, 4]].argmax(axis=1)]
    np.testing.assert_array_equal(found.predicted(TEST.inputs_nd, among=(1, 3, 4)), expected)


def test_iterations_that_run_out_are_told():
    inputs, labels = torch.from_numpy(TRAIN.inputs_nd), torch.from_numpy(TRAIN.labels_n)
    assert not fit(inputs, labels, Softmax.zeros(12, 5, CPU), 100.0, 3, 1e-9, True).converged
