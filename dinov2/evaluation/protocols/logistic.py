"""Logistic regression on frozen features, its penalty chosen on held-out training images."""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from dinov2.config import Config
from dinov2.evaluation.metrics.accuracy import accuracy, class_accuracy
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.linear import choose, held_out
from dinov2.evaluation.protocols.softmax import Softmax, fit
from dinov2.progress import progress


class LogisticConfig(Config):
    """Logistic regression."""

    lowest: float = Field(-6.0, description="power of ten of the strongest penalty's C")  # these three as published
    highest: float = Field(5.0, description="power of ten of the weakest penalty's C")
    values: PositiveInt = Field(45, description="of C, at equal steps of the power")
    iterations: PositiveInt = 1000  # as published
    tolerance: PositiveFloat = Field(1e-4, description="of the gradient, at which a fit is done")  # scikit-learn's
    held_out: float = Field(0.1, gt=0, lt=1, description="part of each training class that chooses C")  # as published


@dataclass(frozen=True)
class Logistic:
    """L-BFGS on the cls features for every C of a grid, the best of it fitted again on all training images.

    The evaluation released with DINOv2 does so with cuML, in float64. Features are taken as they come.
    """

    config: LogisticConfig
    seed: int
    device: torch.device
    name: str = "logistic"

    def __call__(self, train: Examples, test: Examples, classes: int) -> Answer:
        """`accuracy` and `class_accuracy` on `test`, where classes from `classes` on count as errors."""
        softmax, details = self.learn(train, classes)
        predicted = softmax.predicted(test.inputs_nd)
        statistics = {each.__name__: each(predicted, test.labels_n) for each in (accuracy, class_accuracy)}
        return Answer(statistics, details)

    def learn(self, train: Examples, classes: int) -> tuple[Softmax, dict[str, float]]:
        """The classifier and how it came about: `c`, the share `held_out_accuracy` of `held_out` images, `unfinished`.

        A fit begins where that of the next stronger penalty ended; `unfinished` are those that ran out of iterations.
        """
        held = held_out(train.labels_n, self.config.held_out, self.seed)
        # Classes of a single image have none to spare; where no class has, the training images themselves choose.
        judge = train.take(held if held.any() else ~held)
        powers = np.linspace(self.config.lowest, self.config.highest, self.config.values)
        fitted = self._path(train.take(~held), classes, 10.0**powers)
        accuracies = [float((each.predicted(judge.inputs_nd) == judge.labels_n).mean()) for each in fitted]
        losses = torch.tensor([each.loss(judge) for each in fitted])
        best = choose(torch.tensor(accuracies), losses)
        (last,) = self._path(train, classes, 10.0 ** powers[best : best + 1], fitted[best])
        unfinished = sum(not each.converged for each in (*fitted, last))
        details = {"c": float(10.0 ** powers[best]), "held_out": int(held.sum()), "held_out_accuracy": accuracies[best]}
        return last, {**details, "unfinished": unfinished}

    def _path(self, train: Examples, classes: int, cs: np.ndarray, start: Softmax | None = None) -> list[Softmax]:
        """Fits of rising C."""
        inputs_nd = torch.from_numpy(train.inputs_nd).to(self.device)
        labels_n = torch.from_numpy(train.labels_n).to(self.device)
        found = [start or Softmax.zeros(inputs_nd.shape[1], classes, self.device)]
        with progress("logistic regression", len(cs), "fits") as shown:
            for c in cs.tolist():
                limits = (self.config.iterations, self.config.tolerance)
                found.append(fit(inputs_nd, labels_n, found[-1], c, *limits, intercept=True))
                shown.advance()
        return found[1:]
