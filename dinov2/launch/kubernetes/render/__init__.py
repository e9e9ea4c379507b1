"""Manifests of a job: pure, the same ones for the same job wherever they are made."""

from collections.abc import Mapping

from dinov2.launch.job import Job
from dinov2.launch.kubernetes.config import JobsConfig
from dinov2.launch.kubernetes.render.job import job_manifest
from dinov2.launch.kubernetes.render.service import service_manifest
from dinov2.launch.kubernetes.render.task import task_of
from dinov2.launch.kubernetes.values import Manifest

__all__ = ["Manifest", "render"]


def render(job: Job, config: JobsConfig, environment: Mapping[str, str], code: str) -> list[Manifest]:
    """The Job; where several pods work together, the Service through which they find each other comes before it.

    Args:
        job: with its key.
        config: k8s/jobs.yaml.
        environment: of every pod, as `pod_environment` gives it.
        code: names the code that is to run; it stands in an annotation.
    """
    task = task_of(job, config, environment, code)
    return [service_manifest(task), job_manifest(task)] if task.together > 1 else [job_manifest(task)]
