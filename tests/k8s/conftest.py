"""What kubectl renders of k8s/, and pods of the launcher's jobs."""

import shutil
from pathlib import Path

import pytest

from dinov2.launch.job import Job
from dinov2.launch.kubernetes.config import load_jobs
from dinov2.launch.kubernetes.render import render as render_job
from k8s.check.render import KUSTOMIZATIONS, Manifest, render

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def rendered() -> dict[str, list[Manifest]]:
    """The objects of `base`, `dev` and `prod`; copy before you change one."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not on this machine")
    return {name: render(folder) for name, folder in KUSTOMIZATIONS.items()}


@pytest.fixture(scope="session")
def job() -> Manifest:
    """The Job of a pretraining on several nodes, as k8s/jobs.yaml has it."""
    return job_of("pretrain")


def job_of(stage: str) -> Manifest:
    """The Job of a stage, as k8s/jobs.yaml has it."""
    work = Job(stage, f"dinov2.stages.{stage}", (), (), (), key="0123456789abcdef")
    return render_job(work, load_jobs(ROOT), {}, "code")[-1]
