"""How well a ranking puts what is relevant first.

A ranking is known by the score of each of its P positives and by how many others stand at or above it. Others as alike
as a positive stand before it: a model that finds everything equally alike gains nothing by the order of the files.
"""

import numpy as np


def ahead(sorted_n: np.ndarray, positive_p: np.ndarray, ignored_i: np.ndarray) -> np.ndarray:
    """How many that are neither positive nor ignored score at least as high as each positive, (P,) int64.

    Args:
        sorted_n: scores of all that are ranked, positives and ignored among them, rising.
        positive_p: scores of the positives.
        ignored_i: scores of those that are taken out of the ranking, junk in the words of Oxford and Paris.
    """
    return _at_least(sorted_n, positive_p) - hits(positive_p) - _at_least(np.sort(ignored_i), positive_p)


def hits(positive_p: np.ndarray) -> np.ndarray:
    """How many positives score at least as high as each of them, itself among them, (P,) int64."""
    return _at_least(np.sort(positive_p), positive_p)


def _at_least(sorted_n: np.ndarray, scores_p: np.ndarray) -> np.ndarray:
    return len(sorted_n) - np.searchsorted(sorted_n, scores_p, side="left")


def average_precision(positive_p: np.ndarray, ahead_p: np.ndarray) -> float:
    """The mean over positives of the precision at their scores, as `sklearn.metrics.average_precision_score`.

    Args:
        positive_p: scores of the positives.
        ahead_p: see `ahead`.
    """
    hits_p = hits(positive_p)
    return float((hits_p / (hits_p + ahead_p)).mean())


def revisited_average_precision(ahead_p: np.ndarray) -> float:
    """The area under precision against recall by trapezia, as Oxford and Paris have it (Philbin et al. 2007).

    The revisited sets take it over (Radenović et al. 2018). Each positive counts with the mean of the precisions just
    before it and at it, the former 1 at the top: of a single positive that is second, a quarter and not a half.

    Args:
        ahead_p: see `ahead`.
    """
    found_p = np.arange(len(ahead_p))
    rank_p = np.sort(ahead_p) + found_p
    before_p = np.divide(found_p, rank_p, out=np.ones(len(rank_p)), where=rank_p > 0)
    return float((before_p + (found_p + 1) / (rank_p + 1)).mean() / 2)


def found_within(ahead_p: np.ndarray, k: int) -> bool:
    """Whether a positive is among the first `k`: recall@k is the share of the queries of which that holds.

    Args:
        ahead_p: see `ahead`.
        k: at least 1.
    """
    return bool(ahead_p.min() < k)
