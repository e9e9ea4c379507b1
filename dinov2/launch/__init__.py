"""Launchers: where a job's processes run. A new one is one file and one line here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dinov2.launch.failure import in_a_job
from dinov2.launch.job import Job, own_index
from dinov2.launch.local import JobFailedError, run_locally
from dinov2.settings import Settings

__all__ = ["Job", "JobFailedError", "Shape", "in_a_job", "launch", "own_index", "shape"]


def _run_on_kubernetes(job: Job, settings: Settings, root: Path) -> None:
    from dinov2.launch.kubernetes import run_on_kubernetes  # its libraries take time to import

    run_on_kubernetes(job, settings, root)


LAUNCHERS: dict[str, Callable[[Job, Settings, Path], None]] = {
    "local": run_locally,
    "kubernetes": _run_on_kubernetes,
}


@dataclass(frozen=True)
class Shape:
    """How the jobs of a stage are run.

    Attributes:
        indexes: parts of a step of curation that need nothing of each other.
        processes: that work together, on all machines.
        elsewhere: not on this machine, so that also what is one process is a job.
        mounts: folders that those machines have beside the workspace.
    """

    indexes: int
    processes: int
    elsewhere: bool
    mounts: tuple[Path, ...] = ()


def shape(stage: str, settings: Settings, root: Path) -> Shape:
    """The shape of the jobs of a stage: what the settings say, or where the launcher is another the launcher's files.

    Args:
        stage: its name in dvc.yaml.
        settings: of this process.
        root: the workspace.

    Raises:
        ConfigError: the launcher's files are wrong.
    """
    if settings.launcher == "kubernetes":
        from dinov2.launch.kubernetes.config import load_jobs

        jobs = load_jobs(root)
        if jobs.lists(stage):
            own = jobs.of(stage)
            mounts = tuple(Path(mount.mount_path) for mount in own.volume_mounts)
            return Shape(own.indexes, own.nodes * own.processes_each, elsewhere=True, mounts=mounts)
    return Shape(settings.jobs, settings.nodes * settings.processes, elsewhere=False)


def launch(job: Job, settings: Settings, root: Path) -> None:
    """Run `job` where the settings say, and wait for it; here if the launcher knows nothing of its stage.

    Raises:
        UserError: it said that its input or parameters are wrong, or it cannot be launched as they are.
        JobFailedError: it failed otherwise, or was told to stop.
    """
    elsewhere = shape(job.stage or job.name, settings, root).elsewhere
    LAUNCHERS[settings.launcher if elsewhere else "local"](job, settings, root)
