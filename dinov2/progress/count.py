"""How far something is, and in words."""

import time


class Count:
    """Counts towards a total, and tells how fast and how long it will take."""

    def __init__(self, description: str, total: int, done: int, unit: str) -> None:
        """`done` of `total` were done before now."""
        self.description, self.total, self.done, self.unit, self.note = description, total, done, unit, ""
        self._started_from, self._start = done, time.monotonic()

    def advance(self, count: int, note: str) -> None:
        """Count `count` more; an empty note leaves the last one."""
        self.done, self.note = self.done + count, note or self.note

    def line(self) -> str:
        """As `embed: 180/400 images, 5.0/s, 0:44 left, loss 2.5`; `relay` of the channel understands it."""
        elapsed = time.monotonic() - self._start
        rate = (self.done - self._started_from) / elapsed if elapsed else 0.0
        left = f", {_duration((self.total - self.done) / rate)} left" if rate else ""
        note = f", {self.note}" if self.note else ""
        return f"{self.description}: {self.done}/{self.total} {self.unit}, {rate:,.1f}/s{left}{note}"

    def last_line(self) -> str:
        """As `embed: 400/400 images in 1:20, 5.0/s`."""
        elapsed = time.monotonic() - self._start
        rate = (self.done - self._started_from) / max(elapsed, 1e-9)
        return f"{self.description}: {self.done}/{self.total} {self.unit} in {_duration(elapsed)}, {rate:,.1f}/s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
