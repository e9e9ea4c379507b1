"""The Job."""

from dinov2.launch.kubernetes.render.pod import pod_template
from dinov2.launch.kubernetes.render.policy import failure_policy, limits
from dinov2.launch.kubernetes.render.task import CODE, Task
from dinov2.launch.kubernetes.values import Manifest

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"


def job_manifest(task: Task) -> Manifest:
    """An Indexed Job, also of a single pod; with a queue it is born suspended, and Kueue lets it go."""
    stage = task.stage
    queue = {QUEUE_LABEL: stage.queue} if stage.queue else {}
    spec = {
        "completionMode": "Indexed",
        "completions": task.pods,
        "parallelism": min(stage.parallelism or task.pods, task.pods) if task.apart else task.pods,
        **limits(task),
        "activeDeadlineSeconds": stage.deadline_seconds,
        "ttlSecondsAfterFinished": stage.ttl_seconds,
        "podFailurePolicy": failure_policy(task),
        "podReplacementPolicy": "Failed",  # never two pods of one index
        "template": pod_template(task),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": task.name,
            "namespace": task.config.namespace,
            "labels": task.labels | queue,
            "annotations": {CODE: task.code},
        },
        "spec": spec | ({"suspend": True} if stage.queue else {}),
    }
