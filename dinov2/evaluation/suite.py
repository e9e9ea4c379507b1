"""Protocols on every labelled set of a manifest, and their accuracies as metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from dinov2.data.sources import ImageReader
from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.controls import chance
from dinov2.evaluation.datasets import LabelledSet, Sets
from dinov2.evaluation.measure import measure
from dinov2.evaluation.measured import Measured
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.statistics import interval
from dinov2.evaluation.tasks import Setting
from dinov2.evaluation.tasks.problem import of_manifest

PROTOCOLS = ("knn", "linear")
HEADLINE = "accuracy"


def judge(
    sets: Sequence[LabelledSet],
    model: Backbone,
    reader: ImageReader,
    setting: Setting,
    protocols: Sequence[str] = PROTOCOLS,
    controls: Mapping[str, Backbone] | None = None,
) -> list[Measured]:
    """What was found on each set; see `measure`.

    Raises:
        DataError: an image cannot be read, or is not what the manifest says.
    """
    return [measure(of_manifest(each, reader), model, protocols, setting, controls) for each in sets]


def metrics(sets: Sets, found: Sequence[Measured], seed: int) -> dict[str, Any]:
    """Accuracies in [0, 1] with their 95% intervals, for every set, protocol and backbone.

    Args:
        sets: what could be evaluated and what not.
        found: what `judge` gives for those that could.
        seed: of the draws.

    Returns:
        `{"labelled_sets": int, "skipped": {set: why}, "datasets": {set: {"classes", "train", "test", "unseen_classes",
        "unseen_images", "chance", "protocols": {protocol: {backbone: {"accuracy", "low", "high", ...}}}}}}`
    """
    return {
        "labelled_sets": len(sets.usable),
        "skipped": sets.skipped,
        "datasets": {own.name: _facts(own, each, seed) for own, each in zip(sets.usable, found, strict=True)},
    }


def _facts(dataset: LabelledSet, found: Measured, seed: int) -> dict[str, Any]:
    protocols: dict[str, dict[str, Any]] = {}
    for who, answers in found.answers.items():
        for protocol, answer in answers.items():
            protocols.setdefault(protocol, {})[who] = _score(answer, seed)
    unseen = dataset.unseen()
    return {
        "classes": len(dataset.classes),
        "train": len(dataset.train),
        "test": len(dataset.test),
        "unseen_classes": len(set(dataset.test_labels[unseen].tolist())),
        "unseen_images": int(unseen.sum()),
        "chance": _rounded(chance(dataset.train_labels, dataset.test_labels)),
        "protocols": protocols,
    }


def _score(answer: Answer, seed: int) -> dict[str, float]:
    found = interval(answer.statistics[HEADLINE], seed)
    numbers = {HEADLINE: found.value, "low": found.low, "high": found.high, **answer.details}
    return {name: _rounded(value) for name, value in numbers.items()}


def _rounded(value: float) -> float:
    return round(float(value), 6)
