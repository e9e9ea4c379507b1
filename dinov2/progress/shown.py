"""Progress for people: a bar on a terminal, a plain line now and then elsewhere."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from dinov2.progress.channel import CHANNEL, Channel
from dinov2.progress.count import Count

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
    def __init__(self, bars: Bars, count: Count) -> None:
        self._bars, self._count = bars, count
        self._task = bars.add_task(count.description, total=count.total, completed=count.done, unit=count.unit, note="")

    def show(self) -> None:
        self._bars.update(self._task, completed=self._count.done, note=self._count.note)


class _Lines:
    def __init__(self, count: Count) -> None:
        self._count, self._said = count, time.monotonic()

    def show(self) -> None:
        if time.monotonic() - self._said >= PLAIN_EVERY_S:
            self._said = time.monotonic()
            _say(self._count.line())


class _Told:
    def __init__(self, count: Count, shown: _Bar | _Lines, channel: Channel) -> None:
        self._count, self._shown, self._channel = count, shown, channel

    def advance(self, count: int = 1, note: str = "") -> None:
        self._count.advance(count, note)
        self._shown.show()
        if self._channel.due:
            self._channel.tell(self._count.line(), self._count.done, self._count.total)


class _Silent:
    def advance(self, count: int = 1, note: str = "") -> None:
        """Tell nobody."""


@contextmanager
def progress(
    description: str, total: int, unit: str = "images", done: int = 0, silent: bool = False
) -> Iterator[Progress]:
    """Show progress towards `total` while the block runs, also in the file that `DINOV2_PROGRESS` names.

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
    count, channel = Count(description, total, done, unit), Channel(os.environ.get(CHANNEL))
    with _shown(count) as shown:
        yield _Told(count, shown, channel)
    channel.tell(count.last_line(), count.done, count.total)


def track(items: Iterable[T], description: str, total: int, unit: str = "images") -> Iterator[T]:
    """Yield `items` and show how far along they are."""
    with progress(description, total, unit) as shown:
        for item in items:
            yield item
            shown.advance()


@contextmanager
def _shown(count: Count) -> Iterator[_Bar | _Lines]:
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Bars(*columns, console=console) as bars:
            yield _Bar(bars, count)
    else:
        yield _Lines(count)
        _say(count.last_line())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
