"""Which run a workspace is held for: a pipeline holds a lock on `var/pipeline.lock`, and says in it whose it is."""

import fcntl
import os
import re
from pathlib import Path

LOCK = "var/pipeline.lock"


def said(name: str) -> str:
    """What this process says in the lock that it holds for the run `name`, or for none that has a name."""
    return f"{os.getpid()}, run {name}" if name else str(os.getpid())


def holder(root: Path) -> str | None:
    """The run that holds a workspace; empty if it has no name, None if there is none.

    Only the lock itself tells whether: the process that holds it may be one of another container, where it has another
    number.
    """
    if not is_held(root):
        return None
    told = re.fullmatch(r"\d+, run (.+)", (root / LOCK).read_text(encoding="utf-8"))
    return told[1] if told else ""


def is_held(root: Path) -> bool:
    """Whether a pipeline holds a workspace, or a clone as if it were one.

    Raises:
        OSError: this process may not look.
    """
    try:
        with (root / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False
