"""Two models, or one alone, judged by the same protocols on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dinov2.evaluation import paired, statistics
from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.figure import Figure, name_of
from dinov2.evaluation.measure import measure
from dinov2.evaluation.measured import MODEL, Measured, mean_over
from dinov2.evaluation.results import LOWER_IS_BETTER
from dinov2.evaluation.sets.task import Classification
from dinov2.evaluation.statistics import Mean, Statistic
from dinov2.evaluation.suite import HEADLINE
from dinov2.evaluation.tasks import Judged, Setting
from dinov2.evaluation.tasks.problem import Problem

Tasks = Sequence[tuple[Judged, Sequence[str]]]
"""Sets, each with the protocols that it is judged by."""


@dataclass(frozen=True)
class Named:
    """A metric of a model, and which one it is."""

    dataset: str
    protocol: str
    metric: str
    statistic: Statistic


def figures(tasks: Tasks, candidate: Backbone, champion: Backbone | None, setting: Setting) -> list[Figure]:
    """Every metric on every set; of labelled sources the accuracies alone.

    Raises:
        DataError: an image or its truth cannot be read, or is not what the manifest says.
    """
    ours = judged(tasks, candidate, setting)
    theirs = {_key(each): each.statistic for each in judged(tasks, champion, setting)} if champion else {}
    return [_figure(each, theirs.get(_key(each)), setting.seed) for each in ours]


def judged(tasks: Tasks, model: Backbone, setting: Setting) -> list[Named]:
    """The metrics of one model without controls, and their means over the sets with classes of images."""
    found = [measure(task, model, asked, setting, {}) for task, asked in tasks]
    classes = [each for each, (task, _) in zip(found, tasks, strict=True) if isinstance(task, Classification)]
    mean = mean_over(classes) if len(classes) > 1 else None
    sources = {task.name for task, _ in tasks if isinstance(task, Problem)}
    named = [each for one in (*found, *([mean] if mean else [])) for each in _named(one)]
    return [each for each in named if each.metric == HEADLINE or each.dataset not in sources]


def _named(found: Measured) -> list[Named]:
    return [
        Named(found.dataset, protocol, metric, statistic)
        for protocol, answer in found.answers[MODEL].items()
        for metric, statistic in answer.statistics.items()
    ]


def _key(of: Named) -> str:
    return name_of(of.dataset, of.protocol, of.metric)


def _figure(of: Named, other: Statistic | None, seed: int) -> Figure:
    own = of.statistic
    alone = Figure(name=_key(of), images=own.count, candidate=statistics.value_of(own))
    if other is None:
        return alone
    champion = {"champion": statistics.value_of(other)}
    ours, theirs = _right(own), _right(other)
    if ours is not None and theirs is not None:
        by = paired.difference(ours, theirs)
        return alone.model_copy(update=champion | {"gain": by.value, "low": by.low, "high": by.high, "p": by.p})
    more_is_better = of.metric not in LOWER_IS_BETTER
    found = statistics.difference(own, other, seed, more_is_better)
    ends = (found.low, found.high) if more_is_better else (-found.high, -found.low)
    gain = found.value if more_is_better else -found.value
    pair = {"gain": gain, "low": ends[0], "high": ends[1], "verdict": found.verdict}
    return alone.model_copy(update=champion | pair)


def _right(of: Statistic) -> np.ndarray | None:
    """(N,) bool of a share of images; None of any other metric."""
    return of.values_n if isinstance(of, Mean) and of.values_n.dtype == bool else None
