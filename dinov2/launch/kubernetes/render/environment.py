"""The environment of a worker."""

from dinov2.launch.job import CODE, INDEXES, NODES, PATIENCE, RENDEZVOUS
from dinov2.launch.kubernetes.names import host, port
from dinov2.launch.kubernetes.render.policy import shutdown_seconds
from dinov2.launch.kubernetes.render.task import Task
from dinov2.launch.kubernetes.volumes import SCRATCH
from dinov2.settings import MOST_WORKERS


def variables(task: Task) -> dict[str, str]:
    """Guesses from the pod's size, over them the caller's and the stage's, and over all what makes the job one."""
    return {**_size(task), **task.environment, **task.stage.env, **_part(task)}


def patience(task: Task) -> dict[str, str]:
    """How long pods wait for one another."""
    return {PATIENCE: str(task.stage.rendezvous_seconds)}


def _size(task: Task) -> dict[str, str]:
    """What a process would else take from the node, of which it has but a part."""
    cores = task.stage.cores // task.processes
    workers = min(MOST_WORKERS, max(1, cores - 1))
    found = {"DINOV2_THREADS": str(max(1, cores)), "DINOV2_WORKERS": str(workers)}
    # Images with CUDA ask for all GPUs of the node, which the container runtime grants to pods that have none.
    return found if task.gpus else found | {"NVIDIA_VISIBLE_DEVICES": "void"}


def _part(task: Task) -> dict[str, str]:
    found = {
        CODE: task.code,
        "PYTHONUNBUFFERED": "1",
        "HOME": SCRATCH,
        "TMPDIR": SCRATCH,
        "DINOV2_LAUNCHER": "local",
        "DINOV2_PROCESSES": str(task.processes),
        NODES: str(task.together),
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(shutdown_seconds(task.stage)),
    }
    if task.together > 1:
        found |= {RENDEZVOUS: f"{host(task.name)}:{port(task.name)}"} | patience(task)
    if task.apart:
        found |= {INDEXES: str(task.job.indexes)}
    return found
