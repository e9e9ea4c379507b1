"""Jobs as processes of this machine."""

import os
import subprocess
import sys
from pathlib import Path

from dinov2.errors import EXIT_USER_ERROR, UserError
from dinov2.launch.job import Job
from dinov2.settings import Settings


class JobFailedError(Exception):
    """A job ended with an exit code other than 0."""


def run_locally(job: Job, settings: Settings, root: Path) -> None:
    """Run the job in the workspace and wait for it: one process, or as many as the settings say under torchrun.

    Raises:
        UserError: the job said that its input or parameters are wrong.
        JobFailedError: it failed otherwise, or left an output unwritten.
    """
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={settings.processes}")
    start = (sys.executable, *(torchrun if settings.processes > 1 else ()), "-m", job.module)
    environment = os.environ | {"OMP_NUM_THREADS": str(settings.threads_each)}
    code = subprocess.run([*start, *job.arguments], cwd=root, env=environment, check=False).returncode
    if code == EXIT_USER_ERROR:
        raise UserError(f"{job.name}: stopped by the error above")
    if code:
        raise JobFailedError(f"{job.name}: ended with exit code {code}")
    missing = [path for path in job.outputs if not path.exists()]
    if missing:
        raise JobFailedError(f"{job.name}: ended well but did not write {missing[0]}")
