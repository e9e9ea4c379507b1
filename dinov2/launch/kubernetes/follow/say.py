"""How a launcher speaks to the caller: lines on standard error that begin with the job's name."""

import sys
from collections.abc import Iterable


class Voice:
    """Says what happens to one job; what was just said is not said again."""

    def __init__(self, title: str, silent: bool = False) -> None:
        """A voice whose lines begin with `title`."""
        self.title, self.last, self._silent = title, "", silent

    def say(self, text: str) -> None:
        """Say it, as a line."""
        if not self._silent:
            print(f"{self.title}: {text}", file=sys.stderr, flush=True)

    def say_change(self, text: str) -> None:
        """Say it unless it is what was told last this way."""
        if text != self.last:
            self.last = text
            self.say(text)

    def quote(self, whose: str, lines: Iterable[str]) -> None:
        """Say what somebody else said, each line with their name."""
        for line in lines:
            self.say(f"{whose}: {line}")
