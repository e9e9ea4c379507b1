"""The containers of a pod: the worker, and before it one that waits until its peers can be found."""

from dinov2.launch.kubernetes.names import host
from dinov2.launch.kubernetes.render.environment import patience, variables
from dinov2.launch.kubernetes.render.task import WAIT, WORKER, Task
from dinov2.launch.kubernetes.values import Manifest
from dinov2.launch.kubernetes.volumes import PLACES, WORKSPACE


def worker_container(task: Task) -> Manifest:
    """Runs this pod's part of the job, in a workspace that it makes itself."""
    own = [{"name": name, "mountPath": path} for name, path in PLACES.items()]
    secrets = [{"secretRef": {"name": name}} for name in task.stage.secrets]
    return {
        **_container(task, WORKER, task.name, _resources(task), variables(task)),
        "workingDir": WORKSPACE,
        **({"envFrom": secrets} if secrets else {}),
        "volumeMounts": [*own, *(mount.manifest() for mount in task.stage.volume_mounts)],
    }


def wait_container(task: Task) -> Manifest:
    """Ends once the cluster's DNS knows the pod at which all meet: torchrun would give up on a name it cannot find."""
    # The worker's share is free until it starts, and less would make Python start slowly.
    resources = {"cpu": task.stage.cpu, "memory": task.stage.memory}
    return _container(task, WAIT, host(task.name), resources, patience(task))


def _container(
    task: Task, name: str, argument: str, resources: dict[str, str], environment: dict[str, str]
) -> Manifest:
    """What is the same in both; what is asked for is also the limit, so that the pod is the last to be evicted."""
    return {
        "name": name,
        "image": task.stage.image or task.config.image,
        "imagePullPolicy": task.config.image_pull_policy,
        "command": ["python", "-m", f"dinov2.launch.kubernetes.{name}", argument],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "resources": {"requests": resources, "limits": dict(resources)},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _resources(task: Task) -> dict[str, str]:
    stage = task.stage
    found = {"cpu": stage.cpu, "memory": stage.memory}
    if stage.ephemeral_storage:
        found["ephemeral-storage"] = stage.ephemeral_storage
    if task.gpus:
        found[stage.gpu_resource] = str(task.gpus)
    return found | stage.resources
