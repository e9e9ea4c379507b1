"""Jobs as processes of this machine."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from dinov2.errors import EXIT_USER_ERROR, UserError
from dinov2.launch.indexed import run_indexes
from dinov2.launch.job import EXIT_CODES, Job
from dinov2.settings import Settings


class JobFailedError(Exception):
    """A job ended with an exit code other than 0."""


def run_locally(job: Job, settings: Settings, root: Path) -> None:
    """Run the job in the workspace and wait for it.

    One process, or as many as the settings say under torchrun; of a job with several indexes a process for each.

    Raises:
        UserError: the job said that its input or parameters are wrong.
        JobFailedError: it failed otherwise, was told to stop, or left an output unwritten.
    """
    code = run_indexes(job, settings, root) if job.indexes > 1 else _run_together(job, settings, root)
    if code == EXIT_USER_ERROR:
        raise UserError(f"{job.name}: stopped by the error above")
    if code:
        raise JobFailedError(f"{job.name}: ended with exit code {code}")
    missing = [path for path in job.outputs if not path.exists()]
    if missing:
        raise JobFailedError(f"{job.name}: ended well but did not write {missing[0]}")


def _run_together(job: Job, settings: Settings, root: Path) -> int:
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={settings.processes}")
    start = (sys.executable, *(torchrun if settings.processes > 1 else ()), "-m", job.module)
    with tempfile.TemporaryDirectory() as folder:
        codes = {EXIT_CODES: folder, "OMP_NUM_THREADS": str(settings.threads_each)}
        code = _wait(subprocess.Popen([*start, *job.arguments], cwd=root, env=os.environ | codes))
        return _own_code(Path(folder)) or code


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The process's exit code; a SIGTERM meanwhile is passed on to it, so that it is never left behind."""
    before = signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


def _own_code(folder: Path) -> int:
    """What the first worker that failed ended with, which torchrun turns into 1; 0 when none said so."""
    said = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return int(said[0].read_text()) if said else 0
