"""What a pod says of itself, in words: where it is, why it does not start, how it ended; and whether its Job has."""

import json
import re
import signal

from dinov2.errors import EXIT_AGAIN
from dinov2.launch.kubernetes.client import Manifest

INDEX = "batch.kubernetes.io/job-completion-index"
CANNOT_START = (
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
    "RegistryUnavailable", "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
)  # fmt: skip
EXIT_NOT_STARTED = 128
"""What a node gives for a container that it could not start."""
DISRUPTIONS = {
    "PreemptionByScheduler": "preempted by a pod of higher priority",
    "EvictionByEvictionAPI": "evicted",
    "DeletionByTaintManager": "its node was lost or is being emptied",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "stopped by its node",
}
EXIT_CODES = {
    EXIT_AGAIN: "told to stop; it saved its state",
    128 + signal.SIGKILL: "killed by SIGKILL: by hand, or out of memory",
    128 + signal.SIGTERM: "stopped by SIGTERM",
}


def condition_of(job: Manifest) -> Manifest:
    """The condition that ended the Job, of type Complete or Failed; empty while it goes on."""
    conditions = job.get("status", {}).get("conditions") or []
    ended = [each for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"]
    return ended[0] if ended else {}


def index_of(pod: Manifest) -> int:
    """Which index of its Job the pod has; 0 where Jobs have none."""
    return int((pod["metadata"].get("annotations") or {}).get(INDEX, 0))


def called(pod: Manifest) -> str:
    """The pod for people: `pod 1 on node-a`."""
    node = pod["spec"].get("nodeName")
    return f"pod {index_of(pod)}" + (f" on {node}" if node else "")


def newest_of_each_index(pods: list[Manifest]) -> list[Manifest]:
    """Of `pods`, oldest first, the last of each index, in the order of the indexes."""
    newest = {index_of(pod): pod for pod in pods}
    return [newest[index] for index in sorted(newest)]


def phase_of(pod: Manifest) -> str:
    """Pending, Running, Succeeded, Failed or Unknown."""
    return pod.get("status", {}).get("phase", "Pending")


def being_deleted(pod: Manifest) -> bool:
    """Whether somebody deleted it, and it has not ended yet."""
    return "deletionTimestamp" in pod["metadata"] and phase_of(pod) in ("Pending", "Running", "Unknown")


def has_log(pod: Manifest, container: str) -> bool:
    """Whether the container has begun."""
    return any(
        status["name"] == container and {"running", "terminated"} & status.get("state", {}).keys()
        for status in _statuses(pod)
    )


def unschedulable(pod: Manifest) -> str:
    """Why no node takes the pod, in the scheduler's words; empty if one did, or the scheduler has not looked yet."""
    condition = _condition(pod, "PodScheduled")
    if condition.get("status") == "False" and condition.get("reason") == "Unschedulable":
        return condition.get("message") or "the scheduler does not say why"
    return ""


def cannot_start(pod: Manifest) -> str:
    """What keeps a container from starting, if it is nothing that passes by itself; else empty."""
    for status in _statuses(pod):
        state = status.get("state", {})
        waiting, ended = state.get("waiting", {}), state.get("terminated", {})
        if waiting.get("reason") in CANNOT_START:
            return f"{waiting['reason']}: {one_line(waiting.get('message', ''))}".removesuffix(": ")
        if ended.get("exitCode") == EXIT_NOT_STARTED and ended.get("message"):
            return one_line(ended["message"])
    return ""


def disruption(pod: Manifest) -> str:
    """What the cluster did to the pod, if it was none of its own doing; else empty."""
    condition = _condition(pod, "DisruptionTarget")
    if condition.get("status") == "True":
        reason = condition.get("reason", "")
        return f"{DISRUPTIONS.get(reason, reason)}: {one_line(condition.get('message', ''))}".removesuffix(": ")
    reason = pod.get("status", {}).get("reason", "")
    if reason in ("Evicted", "NodeLost", "Shutdown", "Terminated", "NodeShutdown", "Preempting"):
        return f"{reason}: {one_line(pod['status'].get('message', ''))}".removesuffix(": ")
    return ""


def exit_code(pod: Manifest) -> int | None:
    """Of the first of its containers that failed; None if none did."""
    codes = [status.get("state", {}).get("terminated", {}).get("exitCode") for status in _statuses(pod)]
    return next(filter(None, codes), None)


def how_it_ended(pod: Manifest) -> str:
    """Why a pod failed: what the cluster did to it, or its container's exit code."""
    if cannot := cannot_start(pod):
        return f"could not start: {cannot}"
    if disrupted := disruption(pod):
        return disrupted
    for status in _statuses(pod):
        ended = status.get("state", {}).get("terminated", {})
        if code := ended.get("exitCode"):
            why = "out of memory" if ended.get("reason") == "OOMKilled" else EXIT_CODES.get(code, "")
            return f"{status['name']} ended with exit code {code}" + (f" ({why})" if why else "")
    own = pod.get("status", {})
    return one_line(f"{own.get('reason', 'failed')} {own.get('message', '')}")


def failed_container(pod: Manifest, otherwise: str) -> str:
    """The container whose log tells why the pod failed."""
    ended = (status for status in _statuses(pod) if status.get("state", {}).get("terminated", {}).get("exitCode"))
    return next((status["name"] for status in ended), otherwise)


def lifetime(pod: Manifest) -> tuple[str, str]:
    """When the pod began and when its last container ended, as RFC 3339 has it, which sorts by time."""
    began = pod["metadata"]["creationTimestamp"]
    ends = [status.get("state", {}).get("terminated", {}).get("finishedAt") or began for status in _statuses(pod)]
    return began, max(ends, default=began)


def one_line(message: str) -> str:
    """A message without line breaks; of an API server's answer that a node passes on whole, the message in it."""
    told = re.search(r'"message":("(?:[^"\\]|\\.)*")', message)
    return " ".join((json.loads(told[1]) if told else message).split())


def _statuses(pod: Manifest) -> list[Manifest]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _condition(pod: Manifest, kind: str) -> Manifest:
    conditions = pod.get("status", {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})
