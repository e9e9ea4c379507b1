"""Copy detection: which database image, if any, is each query an edited copy of."""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import PositiveInt

from dinov2.config import Config
from dinov2.errors import DataError
from dinov2.evaluation.metrics.micro_ap import micro_ap
from dinov2.evaluation.nearest import nearest_in
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.statistics import Mean


class CopiesConfig(Config):
    """Copy detection."""

    candidates: PositiveInt = 10  # of a query: the challenge takes 500 000 pairs for its 50 000 queries


@dataclass(frozen=True)
class CopyDetection:
    """Micro-AP of the most alike database images of each query, by cosine (Douze et al. 2021).

    All pairs are one ranking: a query that is a copy of nothing has only wrong ones in it, and a pair that is no
    candidate is never found.
    """

    config: CopiesConfig
    device: torch.device
    name: str = "copies"

    def __call__(self, queries_qd: np.ndarray, database_nd: np.ndarray, truth_p2: np.ndarray, name: str) -> Answer:
        """`micro_ap`, over all queries; and `recall_at_1`, over those that are copies.

        Details: `copies`, how many queries are, and `unfound`, true pairs that are no candidates.

        Args:
            queries_qd: (Q, D) of any floating type.
            database_nd: (N, D) likewise.
            truth_p2: (P, 2) int64: query and database image of every true pair.
            name: of the set, for errors.

        Raises:
            DataError: there is no query, no database image or no true pair, one of these names an image that there is
                not or stands twice, or a feature is not finite.
        """
        count, size = len(queries_qd), len(database_nd)
        true = _keys(truth_p2, count, size, name)
        queries, database = torch.from_numpy(queries_qd).to(self.device), torch.from_numpy(database_nd)
        score_qk, index_qk = (
            each.cpu().numpy() for each in nearest_in(database, queries, min(self.config.candidates, size))
        )
        true_qk = np.isin(np.arange(count)[:, None] * size + index_qk, true)
        query_qk = np.broadcast_to(np.arange(count)[:, None], index_qk.shape)
        wanted_q = np.bincount(true // size, minlength=count)
        pairs = micro_ap(query_qk.ravel(), score_qk.ravel(), true_qk.ravel(), wanted_q)
        details = {"copies": int((wanted_q > 0).sum()), "unfound": int(wanted_q.sum() - true_qk.sum())}
        return Answer({"micro_ap": pairs, "recall_at_1": Mean(true_qk[wanted_q > 0, 0])}, details)


def _keys(truth_p2: np.ndarray, queries: int, database: int, name: str) -> np.ndarray:
    """(P,) one number for each true pair."""
    if not queries or not database or not len(truth_p2):
        raise DataError(
            f"{name}: {queries} queries, {database} database images and {len(truth_p2)} pairs; needs some of each"
        )
    if (truth_p2 < 0).any() or (truth_p2 >= (queries, database)).any():
        raise DataError(f"{name}: a pair of {queries} queries and {database} images is {truth_p2.max(axis=0).tolist()}")
    keys = truth_p2[:, 0] * database + truth_p2[:, 1]
    if len(np.unique(keys)) < len(keys):
        raise DataError(f"{name}: {len(keys) - len(np.unique(keys))} true pairs stand twice")
    return keys
