"""Two models, or one alone, judged by the same protocols on the same images."""

import numpy as np

from dinov2.evaluation.datasets import LabelledSet
from dinov2.evaluation.encoder import Encoder
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.figure import Figure
from dinov2.evaluation.paired import difference
from dinov2.evaluation.protocol import ClassificationProtocol
from dinov2.evaluation.suite import outcomes


def figures(
    sets: list[LabelledSet],
    candidate: Encoder,
    champion: Encoder | None,
    judged_by: tuple[ClassificationProtocol, ...],
    extractor: Extractor,
) -> list[Figure]:
    """Every protocol's accuracy on every set, in the order of both.

    Raises:
        DataError: an image cannot be read, or is not what the manifest says.
    """
    found = []
    for dataset in sets:
        new = outcomes(dataset, "candidate", candidate, judged_by, extractor)
        old = outcomes(dataset, "champion", champion, judged_by, extractor) if champion else {}
        for protocol, outcome in new.items():
            name = f"{dataset.name}.{protocol}.accuracy"
            found.append(_figure(name, outcome.correct, old[protocol].correct if protocol in old else None))
    return found


def _figure(name: str, candidate: np.ndarray, champion: np.ndarray | None) -> Figure:
    alone = Figure(name=name, images=len(candidate), candidate=float(candidate.mean()))
    if champion is None:
        return alone
    by = difference(candidate, champion)
    pair = {"champion": float(champion.mean()), "gain": by.value, "low": by.low, "high": by.high, "p": by.p}
    return alone.model_copy(update=pair)
