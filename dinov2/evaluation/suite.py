"""Every protocol on every labelled set, for a backbone and its controls."""

from collections.abc import Mapping
from typing import Any

import torch

from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.controls import PixelEncoder, chance, random_twin
from dinov2.evaluation.datasets import LabelledSet, Sets
from dinov2.evaluation.encoder import BackboneEncoder, Encoder
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.intervals import wilson
from dinov2.evaluation.knn import Knn
from dinov2.evaluation.linear import LinearProbe
from dinov2.evaluation.protocol import ClassificationProtocol, Labelled, Outcome
from dinov2.models import VisionTransformer


def protocols(config: EvaluateConfig, seed: int, device: torch.device) -> tuple[ClassificationProtocol, ...]:
    """The protocols of classification; a new one is a file and a line here."""
    return (
        Knn(config.knn, device),
        LinearProbe(config.linear, seed, device),
    )


def encoders(model: VisionTransformer, resolution: int, seed: int, device: torch.device) -> dict[str, Encoder]:
    """The backbone and its controls, under the names that they have in the metrics."""
    return {
        "model": BackboneEncoder(model, resolution, device),
        "random": BackboneEncoder(random_twin(model, seed), resolution, device),
        "pixels": PixelEncoder(resolution),
    }


def evaluate(
    sets: Sets,
    encoded_by: Mapping[str, Encoder],
    judged_by: tuple[ClassificationProtocol, ...],
    extractor: Extractor,
) -> dict[str, Any]:
    """The metrics: accuracies in [0, 1] with their 95% intervals, for every set, protocol and encoder.

    Returns:
        `{"labelled_sets": int, "skipped": {set: why}, "datasets": {set: {"classes", "train", "test", "unseen_classes",
        "unseen_images", "chance", "protocols": {protocol: {encoder: {"accuracy", "low", "high", ...}}}}}}`
    """
    return {
        "labelled_sets": len(sets.usable),
        "skipped": sets.skipped,
        "datasets": {each.name: _evaluate_set(each, encoded_by, judged_by, extractor) for each in sets.usable},
    }


def _evaluate_set(
    dataset: LabelledSet,
    encoded_by: Mapping[str, Encoder],
    judged_by: tuple[ClassificationProtocol, ...],
    extractor: Extractor,
) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {protocol.name: {} for protocol in judged_by}
    for kind, encoder in encoded_by.items():
        for protocol, outcome in outcomes(dataset, kind, encoder, judged_by, extractor).items():
            found[protocol][kind] = _score(outcome)
    unseen = dataset.unseen()
    return {
        "classes": len(dataset.classes),
        "train": len(dataset.train),
        "test": len(dataset.test),
        "unseen_classes": len(set(dataset.test_labels[unseen].tolist())),
        "unseen_images": int(unseen.sum()),
        "chance": _rounded(chance(dataset.train_labels, dataset.test_labels)),
        "protocols": found,
    }


def outcomes(
    dataset: LabelledSet,
    kind: str,
    encoder: Encoder,
    judged_by: tuple[ClassificationProtocol, ...],
    extractor: Extractor,
) -> dict[str, Outcome]:
    """What each protocol finds of an encoder's features on a set; `kind` names the encoder beside the progress."""
    train, test = (
        Labelled(extractor(encoder, rows, f"{kind} on {dataset.name} {split}"), labels, dataset.trained)
        for split, rows, labels in (
            ("train", dataset.train, dataset.train_labels),
            ("test", dataset.test, dataset.test_labels),
        )
    )
    return {protocol.name: protocol(train, test) for protocol in judged_by}


def _score(outcome: Outcome) -> dict[str, float]:
    right, count = int(outcome.correct.sum()), len(outcome.correct)
    low, high = wilson(right, count)
    numbers = {"accuracy": right / count, "low": low, "high": high, **outcome.details}
    return {name: _rounded(value) for name, value in numbers.items()}


def _rounded(value: float) -> float:
    return round(value, 6)
