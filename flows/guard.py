"""Runs a command so that nothing of it outlives the process that asked for it.

    python guard.py LIFELINE GRACE COMMAND...

LIFELINE is the number of a pipe's reading end. Its other end is held by the asker alone; when the asker closes it, or
dies in any way at all, SIGKILL included, the whole tree of processes gets SIGTERM, and SIGKILL after GRACE seconds. The
tree is found by descent rather than by process group, since torchrun gives each of its workers a session of its own.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

POLL_S = 0.05
PR_SET_CHILD_SUBREAPER = 36


def main(lifeline: int, grace: float, command: list[str]) -> int:
    """Run `command` until it ends or the asker does; its exit code, or 128 + the number of the signal that ended it."""
    # From here on an orphan among the descendants becomes a child of this process: none is out of sight.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # The lifeline alone decides. Handlers are not inherited by the command, as SIG_IGN would be.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    process = subprocess.Popen(command)
    while (code := process.poll()) is None and not select.select([lifeline], [], [], POLL_S)[0]:
        pass
    _stop_descendants(grace)
    if code is None:
        return 128 + signal.SIGTERM
    return code if code >= 0 else 128 - code


def _stop_descendants(grace: float) -> None:
    _signal_descendants(signal.SIGTERM)
    while not _all_gone(within=grace):
        _signal_descendants(signal.SIGKILL)
        grace = POLL_S


def _signal_descendants(number: signal.Signals) -> None:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
            process.send_signal(number)


def _all_gone(within: float) -> bool:
    """Whether every child, adopted ones included, ends `within` this many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not ended:
            time.sleep(POLL_S / 5)
    return False


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
