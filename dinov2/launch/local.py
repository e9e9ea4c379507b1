"""Jobs as processes of this machine."""

from pathlib import Path

from dinov2.errors import EXIT_AGAIN, EXIT_USER_ERROR, UserError
from dinov2.launch.indexed import run_indexes
from dinov2.launch.job import Job
from dinov2.launch.together import run_together
from dinov2.settings import Settings


class JobFailedError(Exception):
    """A job ended with an exit code other than 0.

    Attributes:
        again: it was told to stop and has saved its state.
    """

    def __init__(self, message: str, again: bool = False) -> None:
        """Failed as `message` says."""
        super().__init__(message)
        self.again = again


def run_locally(job: Job, settings: Settings, root: Path) -> None:
    """Run the job in the workspace and wait for it.

    One process, or as many as the settings say under torchrun; of a job with several indexes a process for each.

    Raises:
        UserError: the job said that its input or parameters are wrong.
        JobFailedError: it failed otherwise, was told to stop, or left an output unwritten.
    """
    code, why = (run_indexes(job, settings, root), "") if job.indexes > 1 else _together(job, settings, root)
    if code == EXIT_USER_ERROR:
        raise UserError(f"{job.name}: stopped by the error above")
    if code:
        raise JobFailedError(f"{job.name}: ended with exit code {code}{why}", again=code == EXIT_AGAIN)
    missing = [path for path in job.outputs if not path.exists()]
    if missing:
        raise JobFailedError(f"{job.name}: ended well but did not write {missing[0]}")


def _together(job: Job, settings: Settings, root: Path) -> tuple[int, str]:
    """The exit code; of several processes also which failed first and why, which is hard to see in what all said."""
    several = settings.processes > 1
    torchrun = ("--standalone", f"--nproc-per-node={settings.processes}") if several else ()
    ended = run_together(job, torchrun, root, {"OMP_NUM_THREADS": str(settings.threads_each)})
    failure = ended.failure
    return ended.code, f"; rank {failure.rank} was the first:\n{failure.error}" if several and failure else ""
