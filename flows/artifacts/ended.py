"""A stage that has ended, and what it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dinov2.runs.cost import Cost
from dinov2.settings import Settings
from flows.artifacts.markdown import table


@dataclass(frozen=True)
class Ended:
    """A stage that has ended.

    Attributes:
        root: the workspace.
        stage: as `dvc repro` takes it.
        outcome: what came of it, in a word or two.
        seconds: that the last attempt took.
        cost: of all attempts in this run.
        said: lines of its log, of which some tell where more is.
        settings: those that it ran by.
    """

    root: Path
    stage: str
    outcome: str
    seconds: float
    cost: Cost
    said: Sequence[str]
    settings: Settings

    def took(self) -> str:
        """A table of Markdown with its time and its GPU-hours, and their cost where GPUs have a price."""
        figures = {"time": clock(self.seconds), **spent(self.cost, self.settings)}
        return table(list(figures), [list(figures.values())])


def spent(cost: Cost, settings: Settings) -> dict[str, str]:
    """GPU-hours, and their cost if they have a price."""
    price = settings.gpu_hour_price
    hours = {"GPU-hours": cost.hours_in_words()}
    return hours if price is None else hours | {"cost": cost.price_in_words(price)}


def clock(seconds: float) -> str:
    """As `7.5 s` or `1:02:03`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
