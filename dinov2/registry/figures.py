"""An evaluation's figures under the names that they have in MLflow, on a run and on a model version."""

from collections.abc import Mapping
from typing import Any

from dinov2.evaluation.figure import name_of

ACCURACY = "accuracy"
INTERVAL = (ACCURACY, "low", "high")
VALUE, BESIDE = "value", ("low", "high", "random", "pixels")


def figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Flat names, with 95% intervals, .low and .high, and controls.

    Of a labelled source SET.PROTOCOL.accuracy, SET.PROTOCOL.low and so on, and SET.chance; of any other set
    SET.PROTOCOL.METRIC, and SET.PROTOCOL.METRIC.low and so on.

    Args:
        metrics: as stage evaluate writes them.
    """
    found: dict[str, float] = {}
    for name, facts in metrics["datasets"].items():
        found[f"{name}.chance"] = facts["chance"]
        for protocol, scores in facts["protocols"].items():
            found |= {f"{name}.{protocol}.{part}": scores["model"][part] for part in INTERVAL}
            for control in ("random", "pixels"):
                found[f"{name}.{protocol}.{control}"] = scores[control][ACCURACY]
    for name, protocols in metrics.get("numbers", {}).items():
        for protocol, by_metric in protocols.items():
            for metric, numbers in by_metric.items():
                own = name_of(name, protocol, metric)
                found[own] = numbers[VALUE]
                found |= {f"{own}.{part}": value for part, value in numbers.items() if part != VALUE}
    return found


def is_figure(name: str) -> bool:
    """Whether a name is that of a metric itself, SET.PROTOCOL.METRIC, rather than of its interval or a control."""
    parts = name.split(".")
    return len(parts) == 3 and parts[-1] not in BESIDE
