"""Progress with rate and time left: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

T = TypeVar("T")
PLAIN_EVERY_S = 10.0


class Progress(Protocol):
    """Something that counts towards a total."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count `count` more; `note` is shown behind the numbers."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed or 0.0
        return Text(f"{speed:,.1f} {task.fields['unit']}/s")


class _Bar:
    def __init__(self, bars: Bars, description: str, total: int, done: int, unit: str) -> None:
        self._bars, self._note = bars, ""
        self._task = bars.add_task(description, total=total, completed=done, unit=unit, note="")

    def advance(self, count: int = 1, note: str = "") -> None:
        self._note = note or self._note
        self._bars.update(self._task, advance=count, note=self._note)


class _Lines:
    def __init__(self, description: str, total: int, done: int, unit: str) -> None:
        self._description, self._total, self._done, self._unit = description, total, done, unit
        self._started_from = done
        self._start = self._said = time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        self._done += count
        now = time.monotonic()
        if now - self._said >= PLAIN_EVERY_S:
            self._said = now
            rate = (self._done - self._started_from) / (now - self._start)
            left = f", {_duration((self._total - self._done) / rate)} left" if rate else ""
            self._say(f"{self._done}/{self._total} {self._unit}, {rate:,.1f}/s{left}{', ' + note if note else ''}")

    def finish(self) -> None:
        elapsed = time.monotonic() - self._start
        rate = (self._done - self._started_from) / max(elapsed, 1e-9)
        self._say(f"{self._done}/{self._total} {self._unit} in {_duration(elapsed)}, {rate:,.1f}/s")

    def _say(self, text: str) -> None:
        print(f"{self._description}: {text}", file=sys.stderr, flush=True)


class _Silent:
    def advance(self, count: int = 1, note: str = "") -> None:
        """Tell nobody."""


@contextmanager
def progress(
    description: str, total: int, unit: str = "images", done: int = 0, silent: bool = False
) -> Iterator[Progress]:
    """Show progress towards `total` while the block runs.

    Args:
        description: what is being done, a word or two.
        total: how many `unit` there are.
        unit: what is counted, a plural.
        done: how many were done already, by a run that this one resumes.
        silent: show nothing, where another process tells of the same.
    """
    if silent:
        yield _Silent()
        return
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Bars(*columns, console=console) as bars:
            yield _Bar(bars, description, total, done, unit)
    else:
        lines = _Lines(description, total, done, unit)
        yield lines
        lines.finish()


def track(items: Iterable[T], description: str, total: int, unit: str = "images") -> Iterator[T]:
    """Yield `items` and show how far along they are."""
    with progress(description, total, unit) as shown:
        for item in items:
            yield item
            shown.advance()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
