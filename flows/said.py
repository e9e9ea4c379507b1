"""What a stage says while it runs, and what that means."""

from collections import deque
from logging import Logger, LoggerAdapter
from typing import Any, Literal

from flows.artifacts.links import RUN
from flows.artifacts.markdown import printable

Outcome = Literal["ran", "restored", "up to date"]
"""`restored`: DVC had the outputs of this very work in its cache."""
KEPT_LINES = 400


class Said:
    """The lines of a stage: each goes to Prefect as it comes.

    Attributes:
        outcome: of the stage, if it ends well.
        tail: the last lines.
        runs: those that name a run in MLflow.
    """

    def __init__(self, stage: str, logger: "Logger | LoggerAdapter[Any]") -> None:
        """Of the stage `stage`, to `logger`."""
        self._stage, self._logger = stage, logger
        self.outcome: Outcome = "up to date"
        self.tail: deque[str] = deque(maxlen=KEPT_LINES)
        self.runs: list[str] = []

    def listen(self, line: str) -> None:
        """Take a line."""
        line = printable(line)
        self._logger.info("%s", line)
        self.tail.append(line)
        if RUN.search(line):
            self.runs.append(line)
        if line.startswith(f"Running stage '{self._stage}'"):
            self.outcome = "ran"
        elif line.startswith(f"Stage '{self._stage}' is cached"):
            self.outcome = "restored"

    @property
    def lines(self) -> list[str]:
        """Those that a page is made of, the last ones last."""
        return [*self.runs, *self.tail]
