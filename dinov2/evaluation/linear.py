"""The linear probe: one linear layer on frozen features, all learning rates trained at once."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dinov2.evaluation.config import LinearConfig
from dinov2.evaluation.heads import Heads, mean_loss, predicted, train_heads
from dinov2.evaluation.protocol import Labelled, Outcome

LEARNING_RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)
"""For a batch of 256; scaled by batch / 256 (DINOv2, appendix B.3)."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear layer on cls and mean patch of the last layer, concatenated, as the published "1 block + average pool".

    The features come normalised by the model's last norm and are taken as they are. They are computed once,
    without augmentation; the published probe crops and flips at random.
    """

    config: LinearConfig
    seed: int
    device: torch.device
    name: str = "linear"

    def __call__(self, train: Labelled, test: Labelled) -> Outcome:
        """Choose the rate on held-out training images, train again on all of them with it, answer for `test`."""
        inputs_nd, labels_n = self._tensors(train)
        held = torch.from_numpy(held_out(train.labels, self.config.held_out, self.seed)).to(self.device)
        # Classes of a single image have none to spare; where no class has, the training images themselves choose.
        judge = held if held.any() else ~held
        heads = self._train(inputs_nd[~held], labels_n[~held], train.classes, LEARNING_RATES)
        accuracy_r = (predicted(heads, inputs_nd[judge]) == labels_n[judge]).double().mean(1)
        best = choose(accuracy_r, mean_loss(heads, inputs_nd[judge], labels_n[judge]))
        head = self._train(inputs_nd, labels_n, train.classes, LEARNING_RATES[best : best + 1])
        asked_nd, answers_n = self._tensors(test)
        correct = (predicted(head, asked_nd)[0] == answers_n).cpu().numpy()
        return Outcome(correct, {"learning_rate": LEARNING_RATES[best], "held_out": int(held.sum())})

    def _tensors(self, part: Labelled) -> tuple[Tensor, Tensor]:
        joined = np.concatenate([part.features.cls, part.features.patch], axis=1)
        return torch.from_numpy(joined).to(self.device), torch.from_numpy(part.labels).to(self.device)

    def _train(self, inputs_nd: Tensor, labels_n: Tensor, classes: int, rates: tuple[float, ...]) -> Heads:
        scaled = tuple(rate * self.config.batch / 256 for rate in rates)
        return train_heads(inputs_nd, labels_n, classes, scaled, self.config, self.seed)


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
    scores = zip(accuracy_r.tolist(), (-loss_r).nan_to_num(nan=float("-inf")).tolist(), strict=True)
    return max(enumerate(scores), key=lambda found: found[1])[0]
