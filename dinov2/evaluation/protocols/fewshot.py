"""Few images of each class, drawn several times."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import normalize

from dinov2.config import Config
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.softmax import Softmax, fit
from dinov2.evaluation.statistics import Mean


class FewShotConfig(Config):
    """Few-shot classification; the defaults are those of MSN (Assran et al. 2022), whose penalty is 0.00025 / N."""

    head: Literal["logistic", "centroid"] = "logistic"
    shots: tuple[PositiveInt, ...] = Field((1, 2, 5), min_length=1, description="images of each class")
    draws: PositiveInt = Field(3, description="choices of these images")
    c: PositiveFloat = Field(4000.0, description="of the logistic head: nothing is held out of so few images")
    iterations: PositiveInt = 1000
    tolerance: PositiveFloat = 1e-4


@dataclass(frozen=True)
class FewShot:
    """Accuracy from n images of each class.

    The logistic head is MSN's: each feature less its mean, of length 1, no bias, a fixed penalty. The centroid is the
    mean of features of length 1, and the most alike centroid by cosine wins (SimpleShot, Wang et al. 2019, "L2N").
    """

    config: FewShotConfig
    seed: int
    device: torch.device
    name: str = "fewshot"

    def __call__(self, train: Examples, test: Examples, classes: int) -> Answer:
        """For each n `accuracy_n`, of every test image the mean over draws.

        The interval of that is over test images; how far the draws differ is in the details: `deviation_n`, the
        standard deviation of their accuracies, and `short_n`, how many classes have fewer than n images, all of which
        then teach.
        """
        asked_md = self._prepared(test.inputs_nd).numpy()
        ranks = [_rank_within_class(train.labels_n, [self.seed, draw]) for draw in range(self.config.draws)]
        sizes = np.bincount(train.labels_n, minlength=classes)
        statistics, details = {}, {}
        for shots in self.config.shots:
            taught = [train.take(rank_n < shots) for rank_n in ranks]
            right = np.stack([self._answers(each, asked_md, classes) == test.labels_n for each in taught])
            statistics[f"accuracy_{shots}"] = Mean(right.mean(axis=0))
            details[f"deviation_{shots}"] = float(right.mean(axis=1).std(ddof=min(1, len(right) - 1)))
            details[f"short_{shots}"] = int((sizes < shots).sum())
        return Answer(statistics, details)

    def _prepared(self, inputs_nd: np.ndarray) -> Tensor:
        inputs = torch.from_numpy(inputs_nd).double()
        if self.config.head == "logistic":
            inputs = inputs - inputs.mean(dim=1, keepdim=True)
        return normalize(inputs, dim=1)

    def _answers(self, taught: Examples, asked_md: np.ndarray, classes: int) -> np.ndarray:
        inputs_nd = self._prepared(taught.inputs_nd).to(self.device)
        labels_n = torch.from_numpy(taught.labels_n).to(self.device)
        nothing = Softmax.zeros(inputs_nd.shape[1], classes, self.device)
        if self.config.head == "centroid":
            sums_cd = nothing.weight_dc.T.index_add(0, labels_n, inputs_nd)
            found = Softmax(normalize(sums_cd, dim=1).T, nothing.bias_c)
        else:
            limits = (self.config.iterations, self.config.tolerance)
            found = fit(inputs_nd, labels_n, nothing, self.config.c, *limits, intercept=False)
        return found.predicted(asked_md)


def _rank_within_class(labels_n: np.ndarray, seed: list[int]) -> np.ndarray:
    """(N,) place of each image in a random order of its class: what is drawn first for few is there for more."""
    shuffled = np.random.default_rng(seed).permutation(len(labels_n))
    ordered = shuffled[np.argsort(labels_n[shuffled], kind="stable")]
    starts = np.searchsorted(labels_n[ordered], labels_n[ordered], side="left")
    rank_n = np.empty(len(labels_n), np.int64)
    rank_n[ordered] = np.arange(len(labels_n)) - starts
    return rank_n
