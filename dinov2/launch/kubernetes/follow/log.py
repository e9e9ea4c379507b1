"""The log of a pod in the caller's own, while the pod runs: every line once, however often the connection breaks."""

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from dinov2.errors import UserError
from dinov2.launch.kubernetes.client import Cluster, LogLines, UnreachableError

IDLE_S = 60.0
"""A connection that says nothing for so long may be dead: it is made anew."""
PAUSE_S = 0.5
ATTEMPTS = 6
STOP_S = 5.0
LANDMARK = 20
"""Lines that are looked for in a log that was rotated, to go on after them."""


class PodLog:
    """What was shown of one container's log.

    Every connection reads the log from its start and counts lines; those that were shown are passed over. A node
    rotates a log at some megabytes: then its first line is another, and the last lines shown tell where to go on.
    """

    def __init__(self, cluster: Cluster, pod: str, container: str, show: Callable[[str], None]) -> None:
        """Give each line, without its end, of that container's log to `show`."""
        self._cluster, self._pod, self._container, self._show = cluster, pod, container, show
        self._lock, self._over = threading.Lock(), threading.Event()
        self._opening, self._open = threading.Lock(), LogLines(None)
        self._thread: threading.Thread | None = None
        self._count, self._first = 0, b""
        self._recent: deque[bytes] = deque(maxlen=LANDMARK)
        self._problem: UserError | None = None

    def start(self, idle: float = IDLE_S) -> None:
        """Show lines as they come, on a thread of their own, until `finish`."""
        self._thread = threading.Thread(target=self._stream, args=(idle,), name=f"log of {self._pod}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Show no more, and end the thread: one in the middle of a request, when Python ends, would abort it."""
        self._over.set()
        if self._thread and self._opening.acquire(timeout=STOP_S):
            self._opening.release()
            self._open.cut()
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raise what keeps the log from being shown: a right to read it that is missing."""
        if self._problem:
            raise self._problem

    def finish(self) -> None:
        """Show what is left of the log of a container that has ended, or that nobody waits for; once.

        Raises:
            UnreachableError: the end of the log could not be read.
        """
        if self._over.is_set():
            return None
        self.stop()
        for attempt in range(ATTEMPTS):
            try:
                return self._read(follow=False)
            except ConnectionError as error:
                problem = error
                time.sleep(PAUSE_S * 2**attempt)
        raise UnreachableError(f"{self._pod}: the end of its log cannot be read: {problem}")

    def _stream(self, idle: float) -> None:
        while not self._over.is_set():
            try:
                with contextlib.suppress(ConnectionError):  # the next connection goes on where this one broke off
                    self._read(follow=True, idle=idle)
            except UserError as error:
                self._problem = error
                return
            self._over.wait(PAUSE_S)

    def _read(self, follow: bool, idle: float = IDLE_S) -> None:
        """Show what has not been shown, from a connection of its own."""
        with self._opening:
            if follow and self._over.is_set():
                return
            self._open = self._cluster.log(self._pod, self._container, follow, idle)
        for number, line in enumerate(self._open, start=1):
            with self._lock:
                if follow and (self._over.is_set() or not line.endswith(b"\n")):
                    return
                if number == 1 and self._count and line != self._first:
                    break
                self._take(number, line)
        else:
            return
        self._find_place()
        self._read(follow, idle)

    def _take(self, number: int, line: bytes) -> None:
        if number <= self._count:
            return
        self._count = number
        self._first = line if number == 1 else self._first
        self._recent.append(line)
        self._show(line.decode(errors="replace").rstrip("\r\n"))

    def _find_place(self) -> None:
        """Count the lines, of a log that was rotated, that were shown before it was."""
        lines = list(self._cluster.log(self._pod, self._container))
        with self._lock:
            self._count, self._first = place_after(list(self._recent), lines), lines[0] if lines else b""


def place_after(recent: Sequence[bytes], lines: Sequence[bytes]) -> int:
    """How many of `lines` come before what follows the `recent` ones; 0 if those are not among them."""
    for place in range(len(lines), 0, -1) if recent else ():
        known = min(place, len(recent))
        if lines[place - known : place] == list(recent[-known:]):
            return place
    return 0


def to_stdout(line: str) -> None:
    """Show a line where the caller's own output goes."""
    print(line, file=sys.stdout, flush=True)
