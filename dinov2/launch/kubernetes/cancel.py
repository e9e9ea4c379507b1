"""What becomes of a Job when its caller is told to stop: cancelled, unless who asked for the caller has died."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

from dinov2.launch.kubernetes.client import Cluster
from dinov2.launch.kubernetes.follow.say import Voice
from dinov2.launch.kubernetes.objects import uid_of
from dinov2.launch.kubernetes.removal import delete, wait_until_gone
from dinov2.launch.local import JobFailedError

CALLER = "DINOV2_CALLER"
"""Environment variable with the process that the launcher works for; a flow sets it for its stages."""
SETTLE_S = 0.5
"""After a SIGKILL the system takes a moment until a process is seen to be dead."""
POLL_S = 0.05
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _StoppedError(BaseException):
    """A signal asked this process to stop. No library may take it for an error of its own."""


@contextmanager
def cancellable(cluster: Cluster, name: str, voice: Voice) -> Iterator[None]:
    """SIGTERM or SIGINT in the block delete the Job with all that belongs to it.

    They leave it where the process that DINOV2_CALLER names is dead: then nobody cancelled anything, and the next
    launcher attaches.

    Raises:
        JobFailedError: there was such a signal.
    """
    before = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    except _StoppedError:
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        job = cluster.job(name)
        if caller_died():
            raise JobFailedError(f"{voice.title}: who asked for it has died; Job {name} is left running") from None
        if not job:
            raise JobFailedError(f"{voice.title}: cancelled before there was a Job") from None
        delete(cluster, name, uid_of(job))
        voice.say(f"cancelled: Job {name} is deleted; its pods may still save their state")
        left = "nothing is left of it" if _gone(cluster, name, uid_of(job)) else "its pods are still ending"
        raise JobFailedError(f"{voice.title}: cancelled, Job {name} deleted; {left}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _gone(cluster: Cluster, name: str, uid: str) -> bool:
    """Wait until nothing is left of the Job; another signal ends the waiting."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    try:
        return wait_until_gone(cluster, name, uid)
    except _StoppedError:
        return False


def caller_died() -> bool:
    """Whether the process that DINOV2_CALLER names is no more, or only waits to be buried."""
    caller = os.environ.get(CALLER, "")
    deadline = time.monotonic() + SETTLE_S
    while caller.isdecimal() and time.monotonic() < deadline:
        try:
            if psutil.Process(int(caller)).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(POLL_S)
    return False


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _StoppedError
