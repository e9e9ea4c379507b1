"""Multinomial logistic regression: SciPy's L-BFGS over losses and gradients that torch computes.

scikit-learn's `LogisticRegression` is the same optimiser on the same loss, for the CPU only and with all products at
once; a million images of width 1024 need a GPU, and blocks.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from dinov2.evaluation.protocols.examples import Examples

AT_ONCE = 2**24
"""Numbers of float64 in a block of inputs or of logits."""
WHOLE = 2**27
"""Inputs of at most as many numbers are turned into float64 once, not in each pass over them."""
LINE_SEARCH = 50
ROUNDING = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Softmax:
    """A fitted classifier.

    Attributes:
        weight_dc: (D, C) float64.
        bias_c: (C,) float64.
        converged: whether the fit was done before its iterations were over.
    """

    weight_dc: Tensor
    bias_c: Tensor
    converged: bool = False

    @staticmethod
    def zeros(width: int, classes: int, device: torch.device) -> "Softmax":
        """Every class alike."""
        weight_dc = torch.zeros(width, classes, dtype=torch.float64, device=device)
        return Softmax(weight_dc, torch.zeros(classes, dtype=torch.float64, device=device))

    def logits(self, inputs_bd: Tensor) -> Tensor:
        """(B, C) float64."""
        return inputs_bd.double() @ self.weight_dc + self.bias_c

    def predicted(self, inputs_nd: np.ndarray, among: tuple[int, ...] | None = None) -> np.ndarray:
        """(N,) int64 likeliest class of each, the lower one among equals.

        Args:
            inputs_nd: (N, D) of any floating type.
            among: numbers of the classes that an answer may be, rising; None for all.
        """
        allowed = np.arange(len(self.bias_c)) if among is None else np.array(among)
        answers = []
        for rows in _blocks(len(inputs_nd), *self.weight_dc.shape):
            logits_bc = self.logits(torch.from_numpy(inputs_nd[rows]).to(self.bias_c.device))
            answers.append(allowed[logits_bc.cpu().numpy()[:, allowed].argmax(axis=1)])
        return np.concatenate(answers)

    def loss(self, examples: Examples) -> float:
        """Mean cross-entropy."""
        device = self.bias_c.device
        inputs_nd, labels_n = (torch.from_numpy(each).to(device) for each in (examples.inputs_nd, examples.labels_n))
        return _Loss(inputs_nd, labels_n, 0.0, True)(self.flat())[0]

    def flat(self) -> np.ndarray:
        """((D + 1) × C,) the weights row after row, the bias last."""
        return torch.cat([self.weight_dc, self.bias_c[None]]).cpu().numpy().ravel()


def fit(
    inputs_nd: Tensor, labels_n: Tensor, start: Softmax, c: float, iterations: int, tolerance: float, intercept: bool
) -> Softmax:
    """Minimise mean cross-entropy + |weight|² / (2 C N), as scikit-learn's and cuML's `LogisticRegression` of that C.

    In float64. Two classes are a softmax of two too, where both libraries fit one sigmoid: their C is twice this one.

    Args:
        inputs_nd: of any floating type, on the device that computes.
        labels_n: int64, likewise.
        start: where to begin; of a penalty close to this one it saves iterations.
        c: the larger, the weaker the penalty; the bias has none.
        iterations: most of them.
        tolerance: of the largest element of the gradient, at which it is done.
        intercept: whether there is a bias.
    """
    loss = _Loss(inputs_nd, labels_n, 1 / (c * len(inputs_nd)), intercept)
    options = {"maxiter": iterations, "gtol": tolerance, "ftol": ROUNDING, "maxls": LINE_SEARCH}
    found = minimize(loss, start.flat(), jac=True, method="L-BFGS-B", options=options)
    weights = torch.from_numpy(found.x).to(start.bias_c.device).unflatten(0, (-1, len(start.bias_c)))
    return Softmax(weights[:-1], weights[-1], converged=bool(found.success))


class _Loss:
    """Loss and gradient at weights as `Softmax.flat` gives them."""

    def __init__(self, inputs_nd: Tensor, labels_n: Tensor, penalty: float, intercept: bool) -> None:
        self._inputs_nd = inputs_nd.double() if inputs_nd.numel() <= WHOLE else inputs_nd
        self._labels_n, self._penalty, self._intercept = labels_n, penalty, intercept

    @torch.no_grad()
    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.from_numpy(flat).to(self._inputs_nd.device).unflatten(0, (self._inputs_nd.shape[1] + 1, -1))
        gradient, total = torch.zeros_like(weights), torch.zeros((), dtype=torch.float64, device=weights.device)
        for rows in _blocks(len(self._inputs_nd), *weights.shape):
            inputs_bd, labels_b1 = self._inputs_nd[rows].double(), self._labels_n[rows, None]
            log_bc = (inputs_bd @ weights[:-1] + weights[-1]).log_softmax(dim=1)
            total -= log_bc.gather(1, labels_b1).sum()
            error_bc = log_bc.exp_().scatter_add_(1, labels_b1, -torch.ones_like(labels_b1, dtype=torch.float64))
            gradient[:-1] += inputs_bd.T @ error_bc
            gradient[-1] += error_bc.sum(dim=0)
        gradient /= len(self._inputs_nd)
        gradient[:-1] += self._penalty * weights[:-1]
        gradient[-1] *= self._intercept
        loss = total / len(self._inputs_nd) + self._penalty / 2 * weights[:-1].square().sum()
        return loss.item(), gradient.cpu().numpy().ravel()


def _blocks(count: int, width: int, classes: int) -> list[slice]:
    rows = max(1, AT_ONCE // max(width, classes))
    return [slice(start, start + rows) for start in range(0, count, rows)]
