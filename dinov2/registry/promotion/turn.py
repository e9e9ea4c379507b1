"""One decision about champions at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "var/promotion.lock"


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Wait until no other process of the workspace decides: who looks at the champion and moves it sees no other move.

    Args:
        root: the workspace.
    """
    path = root / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
