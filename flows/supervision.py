"""Services that are started again when they die."""

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from flows.process import Guarded
from flows.servers import ServerError, log_of
from flows.services import Service

DELAYS_S = (1, 2, 4, 8, 16)
"""Before each new start of a service that dies again and again; after the last it is given up."""
STEADY_S = 60.0
"""A service that lived so long was well: its next death counts as the first."""


class Supervised:
    """A running service; it and all its descendants end with the block."""

    def __init__(self, service: Service, root: Path) -> None:
        """Start it; what it says goes to `var/logs/NAME.log`, which is begun anew."""
        self.name, self.log = service.name, log_of(root, service.name)
        self._service, self._root = service, root
        self._deaths = 0
        self._again_at: float | None = None
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        self._start()

    def look(self) -> None:
        """Tell of its death in one line, and start it again after a while that grows from death to death.

        Raises:
            ServerError: it dies again and again.
        """
        if self._again_at is None:
            if (code := self.process.poll()) is not None:
                self._bury(code)
        elif time.monotonic() >= self._again_at:
            self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stop()

    def _start(self) -> None:
        service = self._service
        with self.log.open("ab") as output:
            self.process = Guarded(
                service.command, output, self._root, service.environment, stdin=service.listening or subprocess.DEVNULL
            )
        self._began, self._again_at = time.monotonic(), None

    def _bury(self, code: int) -> None:
        self.process.stop()
        self._deaths = 1 if time.monotonic() - self._began > STEADY_S else self._deaths + 1
        if self._deaths > len(DELAYS_S):
            raise ServerError(f"{self.name} died {self._deaths} times in a row, now of {_cause(code)}; see {self.log}")
        delay = DELAYS_S[self._deaths - 1]
        self._again_at = time.monotonic() + delay
        print(f"{self.name} died of {_cause(code)}; it is started again in {delay} s; see {self.log}", flush=True)


def _cause(code: int) -> str:
    """Of a death, from the exit code, which is 128 and the signal's number after a signal."""
    number = code - 128 if code > 128 else -code
    known = number in {each.value for each in signal.Signals}
    return signal.Signals(number).name if known else f"exit code {code}"
