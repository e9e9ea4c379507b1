"""Scores of copy detection: one ranking of all pairs of all queries (Douze et al. 2021, Image Similarity Challenge)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dinov2.evaluation.metrics.ranking import average_precision

BLOCK = 256
PRECISION = 0.9
NONE = "none"


def copy_scores(
    queries: np.ndarray, database: np.ndarray, pairs: Sequence[tuple[int, int]], edits: Sequence[str], above: float
) -> dict[str, Any]:
    """Micro-AP and what can be found at two thresholds.

    Args:
        queries: unit vectors (Q, D) float32.
        database: unit vectors (N, D) float32.
        pairs: (query, database) numbers of all true pairs.
        edits: of each query.
        above: pairs of a larger cosine count as found.

    Returns:
        `micro_ap`, `recall_at_1`, `recall_at_p90`, `threshold_at_p90` (None when no threshold is as precise),
        `precision` and `recall` at `threshold`, `false_positives` (share of the queries without a pair that find one at
        that threshold), and `edits`: of each edit `queries`, `recall_at_1`, `recall`, `recall_at_p90`.
    """
    true = np.array(pairs)
    by_query = np.argsort(true[:, 0], kind="stable")
    true = true[by_query]
    scores, best = np.empty(len(true), np.float32), np.empty((len(queries), 2))
    for start, block in _blocks(queries, database):
        own = slice(*np.searchsorted(true[:, 0], (start, start + len(block))))
        scores[own] = block[true[own, 0] - start, true[own, 1]]
        best[start : start + len(block)] = np.stack([block.argmax(axis=1), block.max(axis=1)], axis=1)
    levels, inverse = np.unique(scores, return_inverse=True)
    at_least, above_all = np.zeros(len(levels), np.int64), 0
    for _, block in _blocks(queries, database):
        ordered = np.sort(block, axis=None)
        at_least += len(ordered) - np.searchsorted(ordered, levels, side="left")
        above_all += int((block > above).sum())
    hits = np.bincount(inverse)[::-1].cumsum()[::-1]
    precision = hits / at_least
    good = np.flatnonzero(precision >= PRECISION)
    threshold = float(levels[good[0]]) if len(good) else None
    found = {"recall": scores > above, "recall_at_p90": scores >= (np.inf if threshold is None else threshold)}
    wanted = set(map(tuple, true.tolist()))
    first = np.array([(query, int(best[query, 0])) in wanted for query in range(len(queries))])
    return {
        "micro_ap": average_precision(scores, (at_least - hits)[inverse]),
        "recall_at_1": float(first[np.unique(true[:, 0])].mean()),
        "recall_at_p90": float(found["recall_at_p90"].mean()),
        "threshold_at_p90": threshold,
        "threshold": above,
        "precision": float(found["recall"].sum() / above_all) if above_all else None,
        "recall": float(found["recall"].mean()),
        "false_positives": _false_positives(best[:, 1], true[:, 0], above),
        "edits": _by_edit(np.array(edits), true[:, 0], first, found),
    }


def _blocks(queries: np.ndarray, database: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Cosines (B, N) of B queries at a time, the same bits each time."""
    for start in range(0, len(queries), BLOCK):
        yield start, queries[start : start + BLOCK] @ database.T


def _false_positives(best: np.ndarray, matched: np.ndarray, above: float) -> float | None:
    others = np.setdiff1d(np.arange(len(best)), matched)
    return float((best[others] > above).mean()) if len(others) else None


def _by_edit(
    edits: np.ndarray, query_of_pair: np.ndarray, first: np.ndarray, found: dict[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    table = {}
    for edit in sorted(set(edits[query_of_pair].tolist())):
        own = edits[query_of_pair] == edit
        queries = np.unique(query_of_pair[own])
        shares = {name: float(each[own].mean()) for name, each in found.items()}
        table[edit] = {"queries": len(queries), "recall_at_1": float(first[queries].mean()), **shares}
    return table
