"""The headless Service through which the pods of a job find each other."""

from dinov2.launch.kubernetes.names import port
from dinov2.launch.kubernetes.render.task import JOB_LABEL, Task
from dinov2.launch.kubernetes.values import Manifest


def service_manifest(task: Task) -> Manifest:
    """Gives each pod the name JOB-INDEX.JOB from its start: they meet before any of them is ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": task.name, "namespace": task.config.namespace, "labels": task.labels},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {JOB_LABEL: task.name},
            "ports": [{"name": "rendezvous", "port": port(task.name)}],
        },
    }
