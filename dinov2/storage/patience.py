"""Waiting for a store that is away: longer and longer, for two minutes in all, and said in one line."""

import math
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dinov2.errors import UnreachableError
from dinov2.storage.faults import in_short, lasting

T = TypeVar("T")
PATIENCE_S = 120.0
"""From the first failure on."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
SAID_AFTER_S = 3.0
FORGOTTEN_S = 60.0
"""After so long without a failure an outage counts as over, though nobody has asked."""


@dataclass
class _Outage:
    """What all requests of this process know of a place that does not answer."""

    since: float
    seen: float
    said: bool = False


_outages: dict[str, _Outage] = {}


class Patience:
    """How long one action waits after each of its failures.

    Actions on one place share the moment since when it has been away: when one gives up, the others do not begin to
    wait anew, and it is said once.

    Args:
        where: the URL that the action is about.
        most_s: how long it may go on failing.
    """

    def __init__(self, where: str, most_s: float | None = None) -> None:
        self._where, self._most_s = where, PATIENCE_S if most_s is None else most_s
        self._place = "/".join(where.split("/", 3)[:3])
        self._since, self._seen = 0.0, -math.inf
        self._failures = 0

    def after(self, error: Exception) -> float:
        """Seconds to wait before the action is tried again.

        Raises:
            UnreachableError: it has failed for too long.
            UserError: waiting does not cure it, somebody has to mend something; `faults.lasting` tells what.
            Exception: `error`, since it says something about a file alone, or is none of a store.
        """
        if told := lasting(error, self._where):
            raise told from (None if told is error else error)
        now = time.monotonic()
        if now - self._seen > FORGOTTEN_S:  # it went on for long: this is another outage
            self._since, self._failures = now, 0
        self._seen = now
        outage = self._noted(now)
        away = now - min(self._since, outage.since)
        if away >= self._most_s:
            raise UnreachableError(f"{self._where}: given up after {away:.0f} s: {in_short(error)}") from error
        left = self._most_s - away
        if away >= SAID_AFTER_S and left > LONGEST_WAIT_S and not outage.said:
            outage.said = True
            print(f"{self._where}: {in_short(error)}; tried again for {left:.0f} s more", file=sys.stderr, flush=True)
        # Jitter: many processes that lost the same store do not all come back at once.
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._failures) * random.uniform(0.5, 1.0)
        self._failures += 1
        return min(wait, left)

    def over(self) -> None:
        """The action succeeded: the place answers."""
        if self._place in _outages:
            _outages.pop(self._place, None)

    def _noted(self, now: float) -> _Outage:
        outage = _outages.get(self._place)
        if outage is None or now - outage.seen > FORGOTTEN_S:
            outage = _outages[self._place] = _Outage(now, now)
        outage.seen = now
        return outage


def retried(action: Callable[[], T], where: str, most_s: float | None = None) -> T:
    """Do `action`; after an error that may pass wait and try again, for two minutes in all.

    Args:
        action: may be done several times.
        where: the URL that it is about.
        most_s: seconds, if not two minutes.

    Raises:
        UnreachableError, UserError, Exception: see `Patience.after`.
    """
    patience = Patience(where, most_s)
    while True:
        try:
            result = action()
        except Exception as error:
            wait = patience.after(error)
        else:
            patience.over()
            return result
        time.sleep(wait)
