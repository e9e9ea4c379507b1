"""One pipeline in a workspace at a time, and DVC's locks after a process that held them was killed."""

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import psutil

from dinov2.errors import ConfigError
from dinov2.runs.pipeline_lock import LOCK, said
from dinov2.storage import write_json

CLOCK_SLACK_S = 2.0
POLL_S = 1.0


@contextmanager
def sole_pipeline(root: Path, name: str = "", wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the workspace while the block runs; the system lets go of it when the process dies.

    Runs in clones hold the workspace that they are clones of. Who holds it must not ask for it again, here or by
    starting a run of its own and waiting for that.

    Args:
        root: the workspace.
        name: of the run that holds it, for others to see.
        wait: while others hold it, wait, and call this with a name for each; None refuses.

    Raises:
        ConfigError: another pipeline runs here, and is not waited for.
    """
    path = root / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        _acquire(file, root, wait)
        file.truncate(0)
        file.write(said(name))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _acquire(file: TextIO, root: Path, wait: Callable[[str], None] | None) -> None:
    told = None
    while not _locked(file):
        file.seek(0)
        holder = f"process {file.read() or 'unknown'}"
        if wait is None:
            raise ConfigError(f"{root}: another pipeline runs here ({holder})")
        if holder != told:
            wait(holder)
            told = holder
        time.sleep(POLL_S)


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def clear_stale_dvc_locks(root: Path) -> None:
    """Take out of DVC's `rwlock` what dead processes left in it; what a living process holds stays.

    DVC itself takes a number in the file for alive when any process has it, such as an unrelated one in a container
    that counts from 1 again, and refuses to work when a kill left half a file. Its other lock, `.dvc/tmp/lock`, is one
    of the system's and ends with its holder.
    """
    path = root / ".dvc" / "tmp" / "rwlock"
    if not path.is_file():
        return
    from dvc.lock import make_lock

    # The file that DVC guards every change to `rwlock` with: nobody is writing it now.
    with make_lock(f"{path}.lock"):
        written = path.stat().st_mtime
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            path.unlink()
            return
        kept = _held_by_living(held, written)
        if kept != held:
            write_json(path, kept)


def _held_by_living(held: dict[str, Any], written: float) -> dict[str, Any]:
    writers = {name: info for name, info in held.get("write", {}).items() if _lives(info, written)}
    readers = {
        name: living
        for name, infos in held.get("read", {}).items()
        if (living := [info for info in infos if _lives(info, written)])
    }
    return {mode: entries for mode, entries in (("write", writers), ("read", readers)) if entries}


def _lives(info: dict[str, Any], written: float) -> bool:
    """Whether the process that took the lock is there: one that started after the file was written is another."""
    try:
        return psutil.Process(info["pid"]).create_time() <= written + CLOCK_SLACK_S
    except psutil.NoSuchProcess:
        return False
