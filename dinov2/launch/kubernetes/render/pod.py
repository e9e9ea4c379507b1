"""The pod: where it may run, as whom, and what it has to work with."""

from dinov2.launch.kubernetes.render.container import wait_container, worker_container
from dinov2.launch.kubernetes.render.policy import grace_seconds
from dinov2.launch.kubernetes.render.task import JOB_LABEL, Task
from dinov2.launch.kubernetes.values import Manifest
from dinov2.launch.kubernetes.volumes import MEMORY, PLACES


def pod_template(task: Task) -> Manifest:
    """A pod that passes the `restricted` Pod Security Standard and cannot speak to the cluster's API."""
    stage, config = task.stage, task.config
    metadata = {"labels": stage.labels | task.labels}
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": grace_seconds(stage),
        "serviceAccountName": config.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # their variables may look like settings
        "securityContext": _as_whom(stage.run_as_user),
        "containers": [worker_container(task)],
        "volumes": [*_own_volumes(task), *(volume.manifest() for volume in stage.volumes)],
    }
    if task.together > 1:
        spec |= {"subdomain": task.name, "initContainers": [wait_container(task)]}
    if stage.annotations:
        metadata["annotations"] = dict(stage.annotations)
    return {"metadata": metadata, "spec": spec | _where(task)}


def _where(task: Task) -> Manifest:
    """What decides on the node, as far as anything does."""
    stage = task.stage
    spread = {
        "topologyKey": stage.topology_key,
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {JOB_LABEL: task.name}},
    }
    found = {
        "priorityClassName": stage.priority_class,
        "runtimeClassName": stage.runtime_class,
        "nodeSelector": dict(stage.node_selector),
        "tolerations": [toleration.manifest() for toleration in stage.tolerations],
        "topologySpreadConstraints": [spread] if stage.topology_key else [],
        "imagePullSecrets": [{"name": name} for name in task.config.image_pull_secrets],
    }
    return {key: value for key, value in found.items() if value}


def _as_whom(user: int) -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",  # a volume of millions of files is not gone through at each start
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _own_volumes(task: Task) -> list[Manifest]:
    stage = task.stage
    disk = {"sizeLimit": stage.ephemeral_storage} if stage.ephemeral_storage else {}
    kinds = dict.fromkeys(PLACES, disk) | {MEMORY: {"medium": "Memory", "sizeLimit": stage.shared_memory}}
    return [{"name": name, "emptyDir": dict(kind)} for name, kind in kinds.items()]
