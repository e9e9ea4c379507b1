"""Progress for another process: a small file that is written anew about once a second, whole or not at all."""

import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from dinov2.storage import write_text

CHANNEL = "DINOV2_PROGRESS"
"""Environment variable with the file; without it none is written."""
EVERY_S = 1.0
LINE = re.compile(r".+: (\d+)/(\d+) \w+(, [\d,.]+/s| in )")
"""A line of `dinov2.progress.count`."""


@dataclass(frozen=True)
class Told:
    """How far something is: a line for people, and counts."""

    line: str
    done: int
    total: int

    @property
    def percent(self) -> float:
        """From 0 to 100; of nothing all is done."""
        return min(100.0, 100 * self.done / self.total) if self.total else 100.0


class Channel:
    """Writes the file; nothing if there is no path, and no more once that cannot be done."""

    def __init__(self, path: str | None) -> None:
        """Write to `path`."""
        self._path, self._told = path, -EVERY_S

    @property
    def due(self) -> bool:
        """Whether it is time to tell again."""
        return bool(self._path) and time.monotonic() - self._told >= EVERY_S

    def tell(self, line: str, done: int, total: int) -> None:
        """Have the file say this."""
        if not self._path:
            return
        self._told = time.monotonic()
        try:
            write_text(Path(self._path), json.dumps(asdict(Told(line, done, total))))
        except OSError as error:
            print(f"{CHANNEL}: {self._path}: {error.strerror}; going on without it", file=sys.stderr, flush=True)
            self._path = None


def relay(line: str) -> None:
    """Pass on a line of a log if it is one by which a process elsewhere tells of its progress."""
    if found := LINE.match(line):
        Channel(os.environ.get(CHANNEL)).tell(line, int(found[1]), int(found[2]))


def read(path: Path) -> Told | None:
    """What the file says last; None if there is none."""
    try:
        return Told(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
