"""An evaluation's figures under the names that they have in MLflow, on a run and on a model version."""

from collections.abc import Mapping
from typing import Any

ACCURACY = "accuracy"
INTERVAL = (ACCURACY, "low", "high")


def figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Flat names: SET.PROTOCOL.accuracy with its 95% interval, .low and .high, its controls and SET.chance.

    Args:
        metrics: as `dinov2.evaluation.suite.evaluate` returns them.
    """
    found: dict[str, float] = {}
    for name, facts in metrics["datasets"].items():
        found[f"{name}.chance"] = facts["chance"]
        for protocol, scores in facts["protocols"].items():
            found |= {f"{name}.{protocol}.{part}": scores["model"][part] for part in INTERVAL}
            for control in ("random", "pixels"):
                found[f"{name}.{protocol}.{control}"] = scores[control][ACCURACY]
    return found
