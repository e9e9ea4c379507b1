"""Nearest neighbours: cosine similarity, weighted votes, several k at once."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from dinov2.evaluation.config import HEADLINE_K, KnnConfig
from dinov2.evaluation.protocol import Labelled, Outcome

TEMPERATURE = 0.07
SIMILARITIES_AT_ONCE = 2**26


@dataclass(frozen=True)
class Knn:
    """Weighted nearest neighbours on the cls features (DINOv2, section 7.1; Wu et al. 2018)."""

    config: KnnConfig
    device: torch.device
    name: str = "knn"

    def __call__(self, train: Labelled, test: Labelled) -> Outcome:
        """Accuracy for every k as `k<k>`; `clipped` counts the k larger than the bank, for which all of it votes."""
        bank, queries = (torch.from_numpy(part.features.cls).to(self.device) for part in (train, test))
        found = predict(bank, torch.from_numpy(train.labels), queries, train.classes, self.config.neighbours)
        correct = {k: predicted == test.labels for k, predicted in found.items()}
        details = {f"k{k}": float(right.mean()) for k, right in correct.items()}
        clipped = sum(k > len(bank) for k in self.config.neighbours)
        return Outcome(correct[HEADLINE_K], {**details, "clipped": clipped})


def predict(
    bank_nd: Tensor, labels_n: Tensor, queries_md: Tensor, classes: int, ks: tuple[int, ...]
) -> dict[int, np.ndarray]:
    """Predicted class (M,) for every k: neighbours vote with exp(cosine / 0.07); the lower class wins a tie.

    Args:
        bank_nd: features with known class.
        labels_n: int64 classes of the bank, on the CPU.
        queries_md: features to classify.
        classes: how many classes there are.
        ks: numbers of neighbours; one larger than the bank takes all of it.
    """
    bank_nd, queries_md = normalize(bank_nd, dim=1), normalize(queries_md, dim=1)
    most = min(max(ks), len(bank_nd))
    predicted: dict[int, list[np.ndarray]] = {k: [] for k in ks}
    for part_bd in queries_md.split(max(1, SIMILARITIES_AT_ONCE // len(bank_nd))):
        similarity_bk, index_bk = nearest(part_bd @ bank_nd.T, most)
        vote_bk, label_bk = torch.exp(similarity_bk.double().cpu() / TEMPERATURE), labels_n[index_bk.cpu()]
        for k in ks:
            votes_bc = torch.zeros(len(part_bd), classes, dtype=torch.float64)
            votes_bc.scatter_add_(1, label_bk[:, :k], vote_bk[:, :k])
            predicted[k].append(votes_bc.numpy().argmax(axis=1))  # NumPy's promises the first of equals
    return {k: np.concatenate(parts) for k, parts in predicted.items()}


def nearest(similarity_bn: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of every row, (B, k) values and indices, in falling order; among equals the lower index first."""
    value_bk, index_bk = similarity_bn.topk(k, dim=1)
    index_bk, order_bk = index_bk.sort(dim=1)
    value_bk, order_bk = value_bk.gather(1, order_bk).sort(dim=1, descending=True, stable=True)
    index_bk = index_bk.gather(1, order_bk)
    # topk leaves open which of the equals at its edge it takes; those rows are sorted whole.
    crowded_b = (similarity_bn >= value_bk[:, -1:]).sum(dim=1) > k
    if crowded_b.any():
        value, index = similarity_bn[crowded_b].sort(dim=1, descending=True, stable=True)
        value_bk[crowded_b], index_bk[crowded_b] = value[:, :k], index[:, :k]
    return value_bk, index_bk
