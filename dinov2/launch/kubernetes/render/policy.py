"""How a job takes failures: what counts, what ends it at once, and how long its workers have to stop."""

from dinov2.errors import EXIT_AGAIN, EXIT_USER_ERROR
from dinov2.launch.kubernetes.render.task import WAIT, WORKER, Task
from dinov2.launch.kubernetes.stage import StageConfig
from dinov2.launch.kubernetes.values import Manifest

REPORT_S = 60
"""After its state is saved a worker still delivers its last figures, which takes half of this at most."""
END_S = 30
"""After torchrun has ended its workers the pod still says what happened."""
MOST = 2**31 - 1


def failure_policy(task: Task) -> Manifest:
    """A mistake of the user ends the job; a stop or a disruption costs no retry. What no rule names does."""
    stopped = [WORKER, WAIT] if task.together > 1 else [WORKER]
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": _ended_with(EXIT_USER_ERROR, WORKER)},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            *({"action": "Ignore", "onExitCodes": _ended_with(EXIT_AGAIN, name)} for name in stopped),
        ]
    }


def limits(task: Task) -> Manifest:
    """How often pods are replaced: all together, and where they work apart for each index too."""
    found = {"backoffLimit": min(MOST, task.stage.retries * task.pods)}
    if task.apart:
        found["backoffLimitPerIndex"] = task.stage.retries
        if task.stage.failed_indexes is not None:
            found["maxFailedIndexes"] = min(task.stage.failed_indexes, task.pods)
    return found


def shutdown_seconds(stage: StageConfig) -> int:
    """How long torchrun leaves its workers between asking and killing: enough to save."""
    return stage.save_seconds + REPORT_S


def grace_seconds(stage: StageConfig) -> int:
    """How long the kubelet leaves a pod between asking and killing: enough for torchrun."""
    return shutdown_seconds(stage) + END_S


def _ended_with(code: int, container: str) -> Manifest:
    return {"containerName": container, "operator": "In", "values": [code]}
