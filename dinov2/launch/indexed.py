"""Jobs of several indexes as processes of this machine, some side by side, each run again alone when it dies."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinov2.errors import EXIT_USER_ERROR
from dinov2.launch.job import INDEX, INDEXES, Job
from dinov2.progress import CHANNEL, Channel
from dinov2.settings import Settings

ATTEMPTS = 3
POLL_S = 0.1

Running = dict[int, subprocess.Popen[bytes]]


def run_indexes(job: Job, settings: Settings, root: Path) -> int:
    """Run every index of the job, `settings.jobs` of them at a time.

    An index that dies is run again, three times in all, while the others go on. After a mistake of the user, or a
    SIGTERM to this process, those that run are sent a SIGTERM and no other begins. None outlives this call.

    Returns:
        `EXIT_USER_ERROR` if there was one, else the code of the first index that failed for good, else 0.
    """
    waiting, running, deaths = deque(range(job.indexes)), Running(), Counter[int]()
    codes, passed_on, done, channel = list[int](), False, 0, Channel(os.environ.get(CHANNEL))
    with _noted(signal.SIGTERM) as stop, _none_left(running):
        while running or (waiting and not stop):
            while waiting and not stop and len(running) < settings.jobs:
                index = waiting.popleft()
                running[index] = _start(job, index, settings, root)
            time.sleep(POLL_S)
            for index, code in _ended(running):
                deaths[index] += code != 0
                done += code == 0
                channel.tell(f"{job.name}: {done} of {job.indexes} indexes done", done, job.indexes)
                if code and code != EXIT_USER_ERROR and not stop and deaths[index] < ATTEMPTS:
                    _say(f"{job.name}: index {index} ended with exit code {code}; it is run again")
                    waiting.append(index)
                elif code:
                    _say(f"{job.name}: index {index} ended with exit code {code}")
                    codes.append(code)
                if code == EXIT_USER_ERROR:
                    stop.append(code)
            if stop and not passed_on:
                passed_on = True
                _terminate(running)
    if EXIT_USER_ERROR in codes:
        return EXIT_USER_ERROR
    return codes[0] if codes else -signal.SIGTERM if waiting else 0


def _start(job: Job, index: int, settings: Settings, root: Path) -> subprocess.Popen[bytes]:
    threads = str(max(1, settings.threads_each // settings.jobs))
    told = {INDEX: str(index), INDEXES: str(job.indexes), "OMP_NUM_THREADS": threads, "DINOV2_THREADS": threads}
    told[CHANNEL] = ""  # each knows its own progress alone
    return subprocess.Popen([sys.executable, "-m", job.module, *job.arguments], cwd=root, env=os.environ | told)


def _ended(running: Running) -> list[tuple[int, int]]:
    """Take those that have ended out of `running`: index and exit code."""
    ended = [(index, process.returncode) for index, process in running.items() if process.poll() is not None]
    for index, _ in ended:
        del running[index]
    return ended


@contextmanager
def _noted(number: signal.Signals) -> Iterator[list[int]]:
    """A list that gets `number` when this process receives that signal, which has no other effect in the block."""
    received: list[int] = []
    before = signal.signal(number, lambda *_: received.append(number))
    try:
        yield received
    finally:
        signal.signal(number, before)


@contextmanager
def _none_left(running: Running) -> Iterator[None]:
    """Whatever ends the block, the processes in `running` have ended too."""
    try:
        yield
    finally:
        _terminate(running)
        for process in running.values():
            process.wait()


def _terminate(running: Running) -> None:
    for process in running.values():
        process.terminate()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
