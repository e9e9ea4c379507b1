"""The choice among heads on held-out images, and the answer of the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dinov2.evaluation.metrics.accuracy import accuracy, class_accuracy
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.linear.config import LinearConfig
from dinov2.evaluation.protocols.linear.heads import Heads, mean_loss, predicted, train_heads

LEARNING_RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)
"""For a batch of 256; scaled by batch / 256 (DINOv2, appendix B.3)."""
RESIDENT = 2**32
"""Bytes of features up to which all of them are moved to the device, rather than a batch at a time."""


@dataclass(frozen=True)
class Reading:
    """What heads read of the features.

    Attributes:
        columns: of them.
        facts: what these are, as numbers for the details.
    """

    columns: slice
    facts: Mapping[str, float] = field(default_factory=dict)


ALL = (Reading(slice(None)),)


@dataclass(frozen=True)
class LinearClassifier:
    """One trained head."""

    heads: Heads

    def predicted(self, inputs_nd: np.ndarray, among: tuple[int, ...] | None = None) -> np.ndarray:
        """(N,) int64 likeliest class of each.

        Args:
            inputs_nd: (N, D) of any floating type.
            among: numbers of the classes that an answer may be, rising; None for all.
        """
        allowed = None if among is None else torch.tensor(among, device=self.heads.bias.device)
        return predicted(self.heads, torch.from_numpy(inputs_nd), allowed)[0].cpu().numpy()


@dataclass(frozen=True)
class LinearProbe:
    """A linear layer on frozen features, for several readings of these and 13 learning rates (DINOv2, appendix B.3).

    The features come normalised by the model's last norm and are taken as they are. They are computed once,
    without augmentation; the published probe crops and flips at random.
    """

    config: LinearConfig
    seed: int
    device: torch.device
    name: str = "linear"

    def __call__(self, train: Examples, test: Examples, classes: int, readings: Sequence[Reading] = ALL) -> Answer:
        """`accuracy` and `class_accuracy` on `test`, where classes from `classes` on count as errors."""
        classifier, details = self.learn(train, classes, readings)
        found = classifier.predicted(test.inputs_nd)
        return Answer({each.__name__: each(found, test.labels_n) for each in (accuracy, class_accuracy)}, details)

    def learn(
        self, train: Examples, classes: int, readings: Sequence[Reading] = ALL
    ) -> tuple[LinearClassifier, dict[str, float]]:
        """Choose reading and rate on held-out training images, and train again on all of them with these.

        Returns:
            The classifier; and `learning_rate`, the facts of the reading, and how many images were `held_out`.
        """
        inputs_nd, labels_n = self._tensors(train)
        held = torch.from_numpy(held_out(train.labels_n, self.config.held_out, self.seed))
        # Classes of a single image have none to spare; where no class has, the training images themselves choose.
        judge, taught = held if held.any() else ~held, (~held).nonzero()[:, 0]
        columns = [reading.columns for reading in readings]
        heads = self._train(inputs_nd, labels_n, classes, LEARNING_RATES, columns, taught)
        asked_nd, answers_n = inputs_nd[judge.to(inputs_nd.device)], labels_n[judge.to(labels_n.device)]
        accuracy_r = torch.cat([(predicted(each, asked_nd) == answers_n).double().mean(1) for each in heads])
        best = choose(accuracy_r, torch.cat([mean_loss(each, asked_nd, answers_n) for each in heads]))
        reading, rate = readings[best // len(LEARNING_RATES)], LEARNING_RATES[best % len(LEARNING_RATES)]
        (last,) = self._train(inputs_nd, labels_n, classes, (rate,), [reading.columns])
        return LinearClassifier(last), {"learning_rate": rate, **reading.facts, "held_out": int(held.sum())}

    def _tensors(self, part: Examples) -> tuple[Tensor, Tensor]:
        inputs_nd = torch.from_numpy(part.inputs_nd)
        resident = inputs_nd.to(self.device) if part.inputs_nd.nbytes <= RESIDENT else inputs_nd
        return resident, torch.from_numpy(part.labels_n).to(self.device)

    def _train(
        self,
        inputs_nd: Tensor,
        labels_n: Tensor,
        classes: int,
        rates: tuple[float, ...],
        columns: Sequence[slice],
        among: Tensor | None = None,
    ) -> list[Heads]:
        scaled = tuple(rate * self.config.batch / 256 for rate in rates)
        return train_heads(inputs_nd, labels_n, classes, scaled, self.config, self.seed, self.device, columns, among)


def held_out(labels: np.ndarray, part: float, seed: int) -> np.ndarray:
    """(N,) bool: `part` of every class, drawn with `seed`: at least one image, never the whole class."""
    held = np.zeros(len(labels), dtype=bool)
    generator = np.random.default_rng(seed)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        held[members[: min(max(1, round(part * len(members))), len(members) - 1)]] = True
    return held


def choose(accuracy_r: Tensor, loss_r: Tensor) -> int:
    """The most accurate head; among equals the one of lower loss; a head that diverged only when all did."""
    scores = zip(loss_r.isfinite().tolist(), accuracy_r.tolist(), (-loss_r).tolist(), strict=True)
    return max(enumerate(scores), key=lambda found: found[1])[0]
