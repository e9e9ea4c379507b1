"""Nearest neighbours: cosine similarity, weighted votes, several k at once."""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import PositiveInt, field_validator
from torch import Tensor

from dinov2.config import Config
from dinov2.evaluation.metrics.accuracy import accuracy, class_accuracy
from dinov2.evaluation.nearest import nearest_in
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.examples import Examples

HEADLINE_K = 20
"""The k whose accuracy is the headline: the published figures are of this one."""
TEMPERATURE = 0.07
VOTES_AT_ONCE = 2**22


class KnnConfig(Config):
    """Nearest neighbours."""

    neighbours: tuple[PositiveInt, ...] = (10, 20, 100, 200)  # as published

    @field_validator("neighbours")
    @classmethod
    def _has_headline(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if HEADLINE_K not in value or len(set(value)) < len(value):
            raise ValueError(f"must contain {HEADLINE_K}, the headline, and each number once")
        return value


@dataclass(frozen=True)
class Knn:
    """Weighted nearest neighbours on the cls features (DINOv2, section 7.1; Wu et al. 2018)."""

    config: KnnConfig
    device: torch.device
    name: str = "knn"

    def __call__(self, train: Examples, test: Examples, classes: int) -> Answer:
        """`accuracy` and `class_accuracy` for k = 20; classes from `classes` on count as errors.

        Details: the accuracy for every k as `k<k>`, and `clipped`, how many k are larger than the bank, for which all
        of it votes.
        """
        bank, queries = torch.from_numpy(train.inputs_nd), torch.from_numpy(test.inputs_nd).to(self.device)
        found = predict(bank, torch.from_numpy(train.labels_n), queries, classes, self.config.neighbours)
        details = {f"k{k}": float((predicted == test.labels_n).mean()) for k, predicted in found.items()}
        clipped = sum(k > len(bank) for k in self.config.neighbours)
        metrics = {each.__name__: each(found[HEADLINE_K], test.labels_n) for each in (accuracy, class_accuracy)}
        return Answer(metrics, {**details, "clipped": clipped})


def predict(
    bank_nd: Tensor, labels_n: Tensor, queries_md: Tensor, classes: int, ks: tuple[int, ...]
) -> dict[int, np.ndarray]:
    """Predicted class (M,) for every k: neighbours vote with exp(cosine / 0.07); the lower class wins a tie.

    Args:
        bank_nd: features with known class; need not fit the device.
        labels_n: int64 classes of the bank, on the CPU.
        queries_md: features to classify, on the device that computes.
        classes: how many classes there are.
        ks: numbers of neighbours; one larger than the bank takes all of it.
    """
    similarity_mk, index_mk = (found.cpu() for found in nearest_in(bank_nd, queries_md, min(max(ks), len(bank_nd))))
    predicted: dict[int, list[np.ndarray]] = {k: [] for k in ks}
    at_once = max(1, VOTES_AT_ONCE // classes)
    for similarity_bk, index_bk in zip(similarity_mk.split(at_once), index_mk.split(at_once), strict=True):
        vote_bk, label_bk = torch.exp(similarity_bk.double() / TEMPERATURE), labels_n[index_bk]
        for k in ks:
            votes_bc = torch.zeros(len(vote_bk), classes, dtype=torch.float64)
            votes_bc.scatter_add_(1, label_bk[:, :k], vote_bk[:, :k])
            predicted[k].append(votes_bc.numpy().argmax(axis=1))  # NumPy's promises the first of equals
    return {k: np.concatenate(parts) for k, parts in predicted.items()}
