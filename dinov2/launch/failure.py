"""Why a job failed: what each process that ended badly leaves behind, and which of them was the first."""

import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dinov2.launch.job import FAILURES, own_index
from dinov2.launch.parent import end_with_parent
from dinov2.storage import write_text

PREFIX = "dinov2-failure "
"""Begins the line of a pod's log that holds its first failure."""
MOST = 8000
"""Characters of an error that are kept, its last: longer lines of a log may be cut."""
LOST = re.compile(r"gloo|nccl|Dist(Network|Backend|Store)Error", re.IGNORECASE)
"""In what a process says whose peer has gone."""


class Failure(BaseModel):
    """The bad end of one process.

    Attributes:
        rank: of the process in its job; of one that works alone, its index.
        time: of the end, in seconds since 1970.
        code: what it ended with; that of a signal is negative.
        error: traceback, or a line.
    """

    model_config = ConfigDict(frozen=True)

    rank: int
    time: float
    code: int
    error: str = ""

    @property
    def lost_contact(self) -> bool:
        """Whether it says no more than that another process was gone."""
        return bool(LOST.search(self.error.strip().rpartition("\n")[2])) and "out of memory" not in self.error

    @property
    def line(self) -> str:
        """For a log, from which `failures_in` reads it."""
        return PREFIX + self.model_copy(update={"error": self.error[-MOST:]}).model_dump_json()


def in_words(code: int) -> str:
    """What is known of a process that ended with this code and left nothing."""
    if code == -signal.SIGKILL:
        return "killed by SIGKILL, as processes are when there is no memory left"
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code} before it had begun"


def first(failures: Iterable[Failure]) -> Failure | None:
    """The one that the others follow from: the earliest, of those that did not only lose contact if there are any."""
    return min(failures, key=lambda failure: (failure.lost_contact, failure.time), default=None)


def failures_in(log: str) -> list[Failure]:
    """The failures in the lines of a log, which may be cut."""
    found = []
    for line in log.splitlines():
        if line.startswith(PREFIX):
            try:
                found.append(Failure.model_validate_json(line.removeprefix(PREFIX)))
            except ValidationError:
                print(f"not understood: {line[:200]}", file=sys.stderr, flush=True)
    return found


def failures_of(folder: Path) -> list[Failure]:
    """What the processes of a job have left in their launcher's folder."""
    return [Failure.model_validate_json(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def leave(failure: Failure, folder: Path) -> None:
    """Leave a failure where the launcher looks, unless the process itself has left one."""
    path = folder / f"{failure.rank}.json"
    if not path.exists():
        write_text(path, failure.model_dump_json())


@contextmanager
def in_a_job() -> Iterator[None]:
    """What a process that a launcher started works in: it does not outlive the launcher, and tells it of a bad end.

    torchrun makes every exit code 1, and says nothing of errors.
    """
    if FAILURES in os.environ:
        end_with_parent()
    try:
        yield
    except SystemExit as end:
        if isinstance(end.code, int) and end.code:
            _tell(end.code, str(end.__context__ or ""))
        raise
    except Exception:
        _tell(1, traceback.format_exc())
        raise


def _tell(code: int, error: str) -> None:
    if folder := os.environ.get(FAILURES):
        leave(Failure(rank=own_index()[0], time=time.time(), code=code, error=error), Path(folder))
