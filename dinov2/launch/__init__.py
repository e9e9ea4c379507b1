"""Launchers: where a job's processes run. A new one is one file and one line here."""

from collections.abc import Callable
from pathlib import Path

from dinov2.launch.job import Job, exit_code_kept, own_index
from dinov2.launch.local import JobFailedError, run_locally
from dinov2.settings import Settings

__all__ = ["Job", "JobFailedError", "exit_code_kept", "launch", "own_index"]

LAUNCHERS: dict[str, Callable[[Job, Settings, Path], None]] = {"local": run_locally}


def launch(job: Job, settings: Settings, root: Path) -> None:
    """Run `job` where the settings say, and wait for it."""
    LAUNCHERS[settings.launcher](job, settings, root)
