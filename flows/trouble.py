"""What ails servers and runs without killing them, told once when it begins and once when it is over."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psutil

LEAST_BYTES = 50_000_000
"""Less is a full disk: databases and logs are about to fail."""
BUSY_LOOKS = 15
"""Looks in a row, a second apart, that find a database locked, before it is told: for moments it often is."""
LOCKS = Path("/proc/locks")
"""Linux tells there who holds locks."""


class Trouble:
    """Looks after the disk of a workspace and the database of Prefect in it."""

    def __init__(self, root: Path, database: Path) -> None:
        """Of `root`, and of `database`, Prefect's SQLite file, which need not be there."""
        self._root, self._database = root, database
        self._told: set[str] = set()
        self._busy = 0

    def look(self) -> None:
        """Tell what has changed."""
        for place, look in ((self._root, self._look_at_disk), (self._database, self._look_at_database)):
            try:
                look()
                why = ""
            except (OSError, sqlite3.Error) as error:
                why = str(error)
            self._tell(f"{place} cannot be looked after", bool(why), why)

    def _look_at_disk(self) -> None:
        free = shutil.disk_usage(self._root).free
        self._tell(
            f"the disk of {self._root} is full",
            free < LEAST_BYTES,
            f"{free // 1_000_000} MB are left; make room: runs wait for their server about two minutes",
        )

    def _look_at_database(self) -> None:
        self._busy = self._busy + 1 if self._is_locked() else 0
        self._tell(
            f"{self._database} is locked",
            self._busy >= BUSY_LOOKS,
            f"held by {_holders(self._database)}; runs wait for it some minutes" if self._busy >= BUSY_LOOKS else "",
        )

    def _tell(self, what: str, is_so: bool, more: str) -> None:
        if is_so and what not in self._told:
            self._told.add(what)
            print(f"{what}: {more}", flush=True)
        elif not is_so and what in self._told:
            self._told.remove(what)
            print(f"{what}: no more", flush=True)

    def _is_locked(self) -> bool:
        if not self._database.is_file():
            return False
        place = f"file:{quote(str(self._database))}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, timeout=0, isolation_level=None)) as asking:
            try:
                asking.execute("begin immediate")
                asking.execute("rollback")
            except sqlite3.OperationalError as error:
                return "locked" in str(error)
        return False


def _holders(path: Path) -> str:
    """The processes that may write a database while others wait, as far as the system says."""
    inodes = {str(each.inode()) for each in os.scandir(path.parent) if each.name.startswith(path.name)}
    told = LOCKS.read_text(encoding="utf-8") if LOCKS.is_file() else ""
    lines = [line.split() for line in told.splitlines()]
    held = [(int(pid), where) for _, _, _, mode, pid, where, *_ in (w for w in lines if len(w) > 5) if mode == "WRITE"]
    pids = {pid for pid, where in held if where.rpartition(":")[2] in inodes}
    return ", ".join(f"process {pid} ({_name(pid)})" for pid in sorted(pids)) or "an unknown process"


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "gone"
