"""The processes of a job that belong together, on this machine: one, or several under torchrun."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from dinov2.launch.failure import Failure, failures_of, first, in_words
from dinov2.launch.job import FAILURES, INDEX, Job


@dataclass(frozen=True)
class Ended:
    """How they ended.

    Attributes:
        code: 0, or what the process that failed first ended with, else what torchrun did.
        failure: of the one that failed first, if one did that could tell.
        stopped: a SIGTERM to this process was passed on to them.
        seconds: how long they ran, their waiting for one another included.
    """

    code: int
    failure: Failure | None
    stopped: bool
    seconds: float = 0.0


def run_together(job: Job, torchrun: Sequence[str], root: Path, environment: Mapping[str, str]) -> Ended:
    """Run the processes and wait for them.

    A SIGTERM to this process meanwhile is passed on to them rather than to torchrun, which would not let them finish
    what they are doing. None outlives this process.

    Args:
        job: what each runs.
        torchrun: its options; without any there is one process.
        root: the workspace.
        environment: what differs from this process's own.
    """
    start = (sys.executable, *(("-m", "dinov2.launch.torchrun", *torchrun) if torchrun else ()), "-m", job.module)
    with tempfile.TemporaryDirectory() as folder:
        told = os.environ | environment | {FAILURES: folder}
        process = subprocess.Popen([*start, *job.arguments], cwd=root, env=told)
        stopped = list[int]()

        def pass_on(number: int, _: object) -> None:
            stopped.append(number)
            with contextlib.suppress(psutil.NoSuchProcess):  # torchrun has ended by itself
                for each in (torchrun and psutil.Process(process.pid).children()) or [process]:
                    with contextlib.suppress(psutil.NoSuchProcess):  # or this one
                        each.send_signal(number)

        began, before = time.monotonic(), signal.signal(signal.SIGTERM, pass_on)
        try:
            code = process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
        if not code:
            return Ended(0, None, bool(stopped), time.monotonic() - began)
        failure = first(failures_of(Path(folder)))
        if not failure and not torchrun:
            index = int(environment.get(INDEX, "0"))
            failure = Failure(rank=index, time=time.time(), code=code, error=in_words(code))
        return Ended(failure.code if failure else code, failure, bool(stopped), time.monotonic() - began)
