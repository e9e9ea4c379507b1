"""Instance retrieval: rank a database for every query by cosine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch.nn.functional import normalize

from dinov2.config import Config
from dinov2.errors import DataError
from dinov2.evaluation.metrics.ranking import ahead, average_precision, found_within, revisited_average_precision
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.sets.task import Level
from dinov2.evaluation.statistics import Mean, Statistic

COSINES_AT_ONCE = 2**24


class RetrievalConfig(Config):
    """Instance retrieval."""

    recall_at: tuple[PositiveInt, ...] = Field((1, 5, 10), description="k of recall@k")


@dataclass(frozen=True)
class InstanceRetrieval:
    """Cosine of the cls features, or of whatever describes an image, as DINOv2 (section 7.3) and Radenović et al. 2018.

    Of a ranking only the places of positives are kept: memory is that of the features and of 2²⁴ cosines.
    """

    config: RetrievalConfig
    device: torch.device
    name: str = "retrieval"

    def __call__(
        self, queries_qd: np.ndarray, database_nd: np.ndarray, levels: Mapping[str, Level], name: str
    ) -> Answer:
        """What is found at each level, as means over its queries.

        Metrics of a level: `map`, as scikit-learn's average precision; `map_revisited`, as Oxford and Paris have it;
        and `recall_at_<k>`, the share of queries with a positive among their first k; all of them with `_<level>`
        behind. Details: `left_out_<level>`, queries that have no positive there.

        Args:
            queries_qd: (Q, D) of any floating type.
            database_nd: (N, D) likewise.
            levels: what is positive and what is ignored for each query.
            name: of the set, for errors.

        Raises:
            DataError: there is no query, or none with a positive at a level; an image is positive and ignored, or none
                of the database; a feature is not finite.
        """
        if not len(queries_qd) or not len(database_nd):
            raise DataError(f"{name}: {len(queries_qd)} queries and {len(database_nd)} database images; needs some")
        for level, truth in levels.items():
            _check(f"{name}: level {level}", truth, len(queries_qd), len(database_nd))
        found: dict[str, list[Sequence[float]]] = {level: [] for level in levels}
        for query, row_n in enumerate(self._rows(queries_qd, database_nd, name)):
            sorted_n = np.sort(row_n)
            for level, truth in levels.items():
                if len(positive := truth.positives[query]):
                    scores_p = row_n[positive]
                    found[level].append(self._scores(scores_p, ahead(sorted_n, scores_p, row_n[truth.ignored[query]])))
        names = ("map", "map_revisited", *(f"recall_at_{k}" for k in self.config.recall_at))
        statistics: dict[str, Statistic] = {
            f"{metric}_{level}": Mean(column)
            for level, scores in found.items()
            for metric, column in zip(names, np.array(scores).T, strict=True)
        }
        return Answer(statistics, {f"left_out_{level}": len(queries_qd) - len(each) for level, each in found.items()})

    def _rows(self, queries_qd: np.ndarray, database_nd: np.ndarray, name: str) -> Iterator[np.ndarray]:
        """(N,) float32 cosines of one query after another."""
        queries, database = (torch.from_numpy(each).to(self.device) for each in (queries_qd, database_nd))
        if not (queries.isfinite().all() and database.isfinite().all()):
            raise DataError(f"{name}: some features are not finite: the model or the stored features are broken")
        queries, database = normalize(queries.float(), dim=1), normalize(database.float(), dim=1)
        for block_bd in queries.split(max(1, COSINES_AT_ONCE // len(database))):
            yield from (block_bd @ database.T).cpu().numpy()

    def _scores(self, scores_p: np.ndarray, ahead_p: np.ndarray) -> tuple[float, ...]:
        recalls = (float(found_within(ahead_p, k)) for k in self.config.recall_at)
        return average_precision(scores_p, ahead_p), revisited_average_precision(ahead_p), *recalls


def _check(where: str, truth: Level, queries: int, database: int) -> None:
    if not len(truth.positives) == len(truth.ignored) == queries:
        raise DataError(f"{where}: truth of {len(truth.positives)} queries, features of {queries}")
    if not any(len(positive) for positive in truth.positives):
        raise DataError(f"{where}: none of the {queries} queries has a positive")
    for query, (positive, ignored) in enumerate(zip(truth.positives, truth.ignored, strict=True)):
        named = np.concatenate([positive, ignored])
        if len(np.unique(named)) < len(named):
            raise DataError(f"{where}: query {query} names a database image twice, as positive or ignored")
        if len(named) and not (named.min() >= 0 and named.max() < database):
            raise DataError(f"{where}: query {query} names image {named.max()} of a database of {database}")
