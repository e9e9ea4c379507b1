"""Robustness: what a classifier that learnt on one set gets right on images of another kind."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from dinov2.config import Config
from dinov2.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from dinov2.evaluation.metrics.corruption import ALEXNET, mean_corruption_error
from dinov2.evaluation.statistics import Mean, Statistic


class RobustnessConfig(Config):
    """The corruptions that are built in."""

    corruptions: tuple[str, ...] = Field(tuple(CORRUPTIONS), min_length=1)
    severities: tuple[Annotated[int, Field(ge=1, le=5)], ...] = Field(SEVERITIES, min_length=1)

    @field_validator("corruptions")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(CORRUPTIONS)):
            raise ValueError(f"no corruption {', '.join(unknown)}; allowed: {', '.join(CORRUPTIONS)}")
        return value


def shifted(right: Mapping[str, np.ndarray]) -> dict[str, Statistic]:
    """`accuracy_<test>` of every test; and of corruptions in several severities of the same images the mean over these.

    `mce` goes before them where all 15 corruptions of ImageNet-C are there in 5 severities, with AlexNet's errors as
    the baseline.

    Args:
        right: by the name of the test, (N,) bool, whether each image is classified rightly; "CORRUPTION/SEVERITY" where
            it is corrupted, images then being in the same order in every severity.
    """
    severities: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for name, right_n in right.items():
        corruption, _, severity = name.rpartition("/")
        severities[corruption or name][severity if corruption else ""] = right_n
    found: dict[str, Statistic] = {}
    for name, by_severity in severities.items():
        if len({len(each) for each in by_severity.values()}) == 1:
            found[f"accuracy_{name}"] = Mean(np.mean(list(by_severity.values()), axis=0))
        else:
            found |= {f"accuracy_{name}/{severity}": Mean(each) for severity, each in by_severity.items()}
    return _mce(severities) | found


def corrupted(right: Mapping[str, np.ndarray]) -> dict[str, Statistic]:
    """`accuracy`, the mean over all corruptions and severities of the same images, and `accuracy_<corruption>` of each.

    Args:
        right: see `shifted`.
    """
    return {"accuracy": Mean(np.mean(list(right.values()), axis=0)), **shifted(right)}


def _mce(severities: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Statistic]:
    whole = {name: by for name, by in severities.items() if name in ALEXNET and len(by) == len(SEVERITIES)}
    if set(whole) != set(ALEXNET) or len({len(each) for by in whole.values() for each in by.values()}) > 1:
        return {}
    wrong = {name: ~np.stack(list(by.values())) for name, by in whole.items()}
    return {"mce": mean_corruption_error(wrong, ALEXNET)}
