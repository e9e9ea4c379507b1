"""Average precision of one ranking of the pairs of all queries, where a score must mean the same for each of them."""

from dataclasses import dataclass

import numpy as np

from dinov2.evaluation.statistics.statistic import ratio


@dataclass(frozen=True)
class MicroAp:
    """Micro-AP of Q queries (Perronnin et al. 2009; Douze et al. 2021, Image Similarity Challenge).

    It is queries that are drawn, each with all of its pairs.

    Attributes:
        query_m: (M,) query of each candidate pair, best pair first.
        true_m: (M,) bool, whether it is a true pair.
        last_m: (M,) place of the last pair that scores the same.
        wanted_q: (Q,) true pairs of each query; those that are no candidates count as never found.
    """

    query_m: np.ndarray
    true_m: np.ndarray
    last_m: np.ndarray
    wanted_q: np.ndarray

    @property
    def count(self) -> int:
        """See `Statistic`."""
        return len(self.wanted_q)

    def __call__(self, weights_bn: np.ndarray) -> np.ndarray:
        """See `Statistic`; NaN where no query with a true pair is drawn."""
        return ratio(np.array([self._precisions(weights_n) for weights_n in weights_bn]), weights_bn @ self.wanted_q)

    def _precisions(self, weights_q: np.ndarray) -> float:
        """Sum over the true pairs of the precision at their scores."""
        weight_m = weights_q[self.query_m]
        true_m = weight_m * self.true_m
        at = self.last_m[self.true_m]
        precision = ratio(true_m.cumsum()[at], weight_m.cumsum()[at])
        return float((true_m[self.true_m] * np.nan_to_num(precision)).sum())


def micro_ap(query_m: np.ndarray, score_m: np.ndarray, true_m: np.ndarray, wanted_q: np.ndarray) -> MicroAp:
    """The statistic of candidate pairs in any order; those below the worst true pair, which change nothing, go.

    Args:
        query_m: (M,) int64 query of each candidate pair.
        score_m: (M,) its score, higher for more alike.
        true_m: (M,) bool, whether it is a true pair.
        wanted_q: (Q,) int64 true pairs of each query, candidates or not.
    """
    kept = np.flatnonzero(score_m >= score_m[true_m].min(initial=np.inf))
    order = kept[np.argsort(-score_m[kept], kind="stable")]
    falling = -score_m[order]
    last = np.searchsorted(falling, falling, side="right") - 1
    return MicroAp(query_m[order], true_m[order], last, wanted_q)
