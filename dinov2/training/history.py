"""The loss curve: means over equal stretches of steps, the same rows whether or not the run was interrupted."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

ROWS = 400


class History:
    """Collects the metrics of each step and makes a row of their means every `stride` steps.

    Args:
        iterations: of the whole run; the stride gives it about 400 rows.
    """

    def __init__(self, iterations: int) -> None:
        self.stride = max(1, iterations // ROWS)
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Take the scalars of a step; they stay on their device."""
        for name, value in metrics.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name].to(value.device) + value if name in self._sums else value
        self._count += 1

    def due(self, step: int) -> bool:
        """Whether a step, counted from 0, completes a row."""
        return (step + 1) % self.stride == 0

    def close(self, step: int, signs: Mapping[str, Tensor], settings: Mapping[str, float]) -> dict[str, float]:
        """Make a row: means over its steps and over ranks, and the `signs` and `settings` of its last step.

        All ranks must call.
        """
        means = {name: value / self._count for name, value in self._sums.items()}
        row = {"iteration": float(step + 1)} | _over_ranks(means | dict(signs)) | dict(settings)
        self.rows.append(row)
        self._sums, self._count = {}, 0
        return row

    def state(self) -> dict[str, Any]:
        """All of it as JSON, the unfinished row of every rank included. All ranks must call."""
        own = {name: value.item() for name, value in self._sums.items()}
        sums: list[dict[str, float]] = [{}] * dist.get_world_size()
        dist.all_gather_object(sums, own)
        return {"rows": self.rows, "sums": sums, "count": self._count}

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave; with another number of ranks, each takes the mean of their unfinished rows."""
        self.rows, self._count = state["rows"], state["count"]
        sums: list[dict[str, float]] = state["sums"]
        kept = sums if len(sums) != dist.get_world_size() else [sums[dist.get_rank()]]
        self._sums = {name: torch.tensor([each[name] for each in kept]).mean() for name in kept[0]}

    def csv(self) -> str:
        """The rows as text, for `dvc plots` and the report."""
        text = io.StringIO()
        names = list(self.rows[0]) if self.rows else ["iteration"]
        writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.rows)
        return text.getvalue()


def _over_ranks(values: dict[str, Tensor]) -> dict[str, float]:
    mean = torch.stack([value.float() for value in values.values()])
    dist.all_reduce(mean)
    return dict(zip(values, (mean / dist.get_world_size()).tolist(), strict=True))
