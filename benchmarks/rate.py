"""How fast a step went over so many items, next to a baseline of the same run."""

from dataclasses import dataclass
from typing import Any

from benchmarks.curation_steps import Stopwatch

HEAD = f"{'step':14}{'items':>10}{'/s':>11}{'/s core':>11}  {'ratio':>6}{'cpu':>7}  baseline"


@dataclass(frozen=True)
class Rate:
    """What a step took.

    Attributes:
        step: its name.
        items: how many it went over.
        ours: what it took.
        baseline: what it is compared with, in a few words.
        bare: what the baseline took for the same items.
    """

    step: str
    items: int
    ours: Stopwatch
    baseline: str
    bare: Stopwatch

    def figures(self) -> dict[str, Any]:
        """Items a second, by the clock and of a core, and times of ours over those of the baseline."""
        return {
            "step": self.step,
            "items": self.items,
            "a_second": self.items / self.ours.seconds,
            "a_core_second": self.items / self.ours.cpu_seconds,
            "ratio": self.ours.seconds / self.bare.seconds,
            "cpu_ratio": self.ours.cpu_seconds / self.bare.cpu_seconds,
            "baseline": self.baseline,
        }

    def line(self) -> str:
        """The figures in the columns of `HEAD`."""
        own = self.figures()
        return (
            f"{self.step:14}{self.items:>10}{own['a_second']:>11.1f}{own['a_core_second']:>11.1f}  "
            f"{own['ratio']:>6.2f}{own['cpu_ratio']:>7.2f}  {self.baseline}"
        )
