"""How many lists to look into, and how many candidates to compare exactly, for the recall that is asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import faiss
import numpy as np

from dinov2.curation.keep import Arrays
from dinov2.curation.search.exact import SLACK, cosines_of
from dinov2.curation.search.lists import Lists
from dinov2.curation.search.plan import Plan
from dinov2.curation.search.rows import unit_blocks, unit_rows
from dinov2.curation.vectors import Part, Vectors

NEAREST = 4
"""Neighbours that are to be found."""
DEEP = 64
"""Candidates compared exactly while the number of lists is measured."""


class Question(NamedTuple):
    """What is asked of a search: how many neighbours, above which cosine, how surely the nearest."""

    k: int
    above: float
    recall: float


@dataclass(frozen=True)
class Tuned:
    """What was chosen.

    Attributes:
        probes: lists looked into for a query.
        depth: candidates it compares exactly, at least.
        error: of a proposed similarity; measured where codes stand for vectors.
        recall: reached on the sample; None when nothing was left to measure.
    """

    probes: int
    depth: int
    error: float
    recall: float | None

    def arrays(self) -> Arrays:
        """As named arrays, for keeping."""
        return {name: np.array(value) for name, value in vars(self).items() if value is not None}

    @staticmethod
    def of(arrays: Arrays) -> "Tuned":
        """From named arrays."""
        probes, depth = int(arrays["probes"]), int(arrays["depth"])
        recall = float(arrays["recall"]) if "recall" in arrays else None
        return Tuned(probes, depth, float(arrays["error"]), recall)


def tune(plan: Plan, index: Lists, part: Part, queries: Vectors, itself: bool, question: Question, what: str) -> Tuned:
    """Measure on the first queries against exact search; the fewest that reach the recall are taken.

    It is asked of the 4 nearest, and also of those among them that the search wants: copies can be harder to find than
    neighbours within a cluster. Both have to reach it by a standard error.

    Args:
        plan: whose overrides stand.
        index: of the first part.
        part: the first one; all are alike.
        queries: of the search.
        itself: whether the queries are the base: each one's finding itself then says nothing.
        question: what is asked of the search.
        what: is being done, for people.
    """
    coded = plan.kind == "ivf_pq"
    if plan.probes and (plan.rerank or not coded):
        return Tuned(plan.probes, plan.rerank or 0, index.error, None)
    sample = min(plan.sample, part.count) if itself else plan.sample
    trial, recall = _Trial(index, part, queries.read(0, sample), itself, question.above, what), question.recall
    deep = min(DEEP if coded else trial.wanted + SLACK, part.count)
    # What codes miss comes on top of what lists miss.
    goal = (1 + recall) / 2 if coded else recall
    probes = plan.probes or _fewest(lambda n: trial.reached(n, deep).sure >= goal, 1, plan.lists)
    if not coded:
        return Tuned(probes, 0, index.error, trial.reached(probes, deep).share)
    most = min(part.count, 64 * DEEP)
    depth = plan.rerank or _fewest(lambda n: trial.reached(probes, n).sure >= recall, trial.wanted, most)
    depth = min(plan.rerank or max(depth, 2 * question.k), part.count)
    reached = trial.reached(probes, depth).share
    return Tuned(probes, depth, 1.5 * trial.error, reached)


class _Reached(NamedTuple):
    """The share that was found, and what it is at least, but for a standard error."""

    share: float
    sure: float


class _Trial:
    """Searches for a sample of queries whose nearest are known."""

    def __init__(self, index: Lists, part: Part, queries: np.ndarray, itself: bool, above: float, what: str) -> None:
        self._index, self._part, self._itself, self._above = index, part, itself, np.float32(above)
        self._queries, self._units = queries, unit_rows(queries)
        self.wanted = min(NEAREST + itself, part.count)
        self._true = self._exactly(self._nearest(what))
        self.error = 0.0

    def reached(self, probes: int, depth: int) -> _Reached:
        """Of the nearest, and of those above the threshold, what is among the first `depth` candidates: the lesser."""
        self._index.look_into(probes)
        proposed, numbers = self._index.propose(self._units, depth)
        exact = self._exactly(numbers)
        self.error = float(np.abs(proposed - exact)[numbers >= 0].max(initial=0.0))
        # One as alike as the last of the true ones is as good.
        near = exact >= self._true.min(axis=1, keepdims=True)
        every = self._share(near.sum(axis=1), np.full(len(exact), self.wanted))
        copies = self._share((near & (exact > self._above)).sum(axis=1), (self._true > self._above).sum(axis=1))
        return min(every, copies, key=lambda reached: reached.sure)

    def _share(self, found: np.ndarray, true: np.ndarray) -> _Reached:
        """Of the `true` ones of each query, itself not counted."""
        hits = int((np.minimum(found, true) - self._itself).clip(0).sum())
        total = int((true - self._itself).clip(0).sum())
        share = hits / total if total else 1.0
        return _Reached(share, share - math.sqrt(share * (1 - share) / max(1, total)))

    def _nearest(self, what: str) -> np.ndarray:
        best = faiss.ResultHeap(len(self._units), self.wanted, keep_max=True)
        for start, block in unit_blocks(self._part, self._part.count, what=what):
            count = min(self.wanted, len(block))
            similarity, number = faiss.knn(self._units, block, count, metric=faiss.METRIC_INNER_PRODUCT)
            best.add_result(similarity, number + start)
        best.finalize()
        return best.I

    def _exactly(self, numbers: np.ndarray) -> np.ndarray:
        found = np.full(numbers.shape, -np.inf, np.float32)
        row, column = np.nonzero(numbers >= 0)
        found[row, column] = cosines_of(self._queries, row, self._part, numbers[row, column])
        return found


def _fewest(enough: Callable[[int], bool], least: int, most: int) -> int:
    """The smallest number that is enough, found by doubling and halving; `most` when none is."""
    reached = least
    while reached < most and not enough(reached):
        least, reached = reached + 1, min(2 * reached, most)
    while least < reached:
        middle = (least + reached) // 2
        least, reached = (least, middle) if enough(middle) else (middle + 1, reached)
    return reached
