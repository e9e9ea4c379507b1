"""What a job is once its section of k8s/jobs.yaml is known."""

from collections.abc import Mapping
from dataclasses import dataclass

from dinov2.launch.job import Job
from dinov2.launch.kubernetes.config import JobsConfig
from dinov2.launch.kubernetes.names import job_name, label
from dinov2.launch.kubernetes.stage import StageConfig
from dinov2.launch.kubernetes.values import Manifest

JOB_LABEL, STAGE_LABEL, CODE = "dinov2.io/job", "dinov2.io/stage", "dinov2.io/code"
"""Labels of everything that belongs to a job, and the annotation of its Job that names the code."""
WORKER, WAIT = "worker", "wait"
"""The containers."""


@dataclass(frozen=True)
class Task:
    """A job with all that its manifests are made of.

    Attributes:
        job: what runs.
        name: of its Job and its Service.
        config: of all jobs.
        stage: of this one.
        environment: of every pod.
        code: names the code.
    """

    job: Job
    name: str
    config: JobsConfig
    stage: StageConfig
    environment: Mapping[str, str]
    code: str

    @property
    def apart(self) -> bool:
        """Whether each pod works alone, on its index."""
        return self.job.indexes > 1

    @property
    def together(self) -> int:
        """Pods that work together."""
        return 1 if self.apart else self.stage.nodes

    @property
    def pods(self) -> int:
        """All pods."""
        return self.job.indexes if self.apart else self.stage.nodes

    @property
    def processes(self) -> int:
        """Processes in each pod."""
        return 1 if self.apart else self.stage.processes_each

    @property
    def gpus(self) -> int:
        """GPUs of each pod; a pod that works alone is one process, which uses one."""
        return min(1, self.stage.gpus) if self.apart else self.stage.gpus

    @property
    def labels(self) -> Manifest:
        """What finds everything that belongs to the job."""
        return {
            "app.kubernetes.io/name": "dinov2",
            "app.kubernetes.io/managed-by": "dinov2",
            JOB_LABEL: self.name,
            STAGE_LABEL: label(self.job.stage or self.job.name),
        }


def task_of(job: Job, config: JobsConfig, environment: Mapping[str, str], code: str) -> Task:
    """The job with its section of k8s/jobs.yaml."""
    return Task(job, job_name(job), config, config.of(job.stage or job.name), environment, code)
