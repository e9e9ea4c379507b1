"""In one line, what a Job is doing: a pure function of what the API server shows of it."""

from collections import Counter
from collections.abc import Sequence

from dinov2.launch.kubernetes.client import Manifest
from dinov2.launch.kubernetes.follow.pods import (
    called,
    cannot_start,
    index_of,
    newest_of_each_index,
    one_line,
    phase_of,
    unschedulable,
)
from dinov2.launch.kubernetes.objects import uid_of

QUEUE = "kueue.x-k8s.io/queue-name"
MOST_NAMES = 4


def phase(job: Manifest, pods: Sequence[Manifest], events: Sequence[Manifest] = (), indexed: bool = False) -> str:
    """What a Job that has not ended is doing; the line changes when that does.

    Args:
        job: as the API server shows it.
        pods: its pods, oldest first.
        events: what was said of `waiting_for`.
        indexed: whether its indexes need nothing of each other.
    """
    if job["spec"].get("suspend"):
        queue = (job["metadata"].get("labels") or {}).get(QUEUE)
        return f"queued: suspended by Kueue, queue {queue}" if queue else "queued: suspended"
    current = newest_of_each_index(list(pods))
    for tell in (cannot_start, unschedulable):
        if told := [(pod, why) for pod in current if (why := tell(pod))]:
            pod, why = told[0]
            more = f" ({len(told)} pods)" if len(told) > 1 else ""
            return f"{called(pod)} cannot start: {why}" if tell is cannot_start else f"unschedulable: {why}{more}"
    running = [pod for pod in current if phase_of(pod) == "Running"]
    done = f", {job.get('status', {}).get('succeeded', 0)} of {job['spec'].get('completions', 1)} indexes done"
    if len(running) == _expected(job) or (indexed and running):
        return f"running: {_counted(running)}{done if indexed else ''}"
    over = [pod for pod in current if phase_of(pod) == "Succeeded"]
    if not indexed and over and len(running) + len(over) == _expected(job):
        return f"ending: {len(over)} of {_expected(job)} pods have ended well"
    if ended := [pod for pod in current if phase_of(pod) == "Failed"]:
        return f"waiting for another pod in the place of {', '.join(f'pod {index_of(pod)}' for pod in ended)}"
    there = f"{len(running)} of {_expected(job)} pods running" if running else ""
    return f"starting: {'; '.join(filter(None, [_starting(current, events), there]))}{done if indexed else ''}"


def waiting_for(job: Manifest, pods: Sequence[Manifest]) -> str | None:
    """The uid of the object whose events tell why the Job is not running: a pod that starts, or the Job without any."""
    if job["spec"].get("suspend"):
        return None
    if not pods:
        return job["metadata"]["uid"]
    pending = [pod for pod in newest_of_each_index(list(pods)) if phase_of(pod) == "Pending"]
    return next((uid_of(pod) for pod in pending if pod["spec"].get("nodeName")), None)


def _expected(job: Manifest) -> int:
    return min(job["spec"].get("parallelism", 1), job["spec"].get("completions") or 1)


def _counted(pods: Sequence[Manifest]) -> str:
    nodes = Counter(pod["spec"].get("nodeName", "?") for pod in pods)
    names = sorted(nodes)[:MOST_NAMES] + ([f"{len(nodes) - MOST_NAMES} more"] if len(nodes) > MOST_NAMES else [])
    return f"{len(pods)} pod{'s' if len(pods) > 1 else ''} on {', '.join(names)}"


def _starting(pods: Sequence[Manifest], events: Sequence[Manifest]) -> str:
    """What keeps them: a warning, an image that is being pulled, or nothing in particular."""
    if warnings := [event for event in events if event.get("type") == "Warning"]:
        return f"{warnings[-1].get('reason')}: {one_line(warnings[-1].get('message') or '')}"
    if events and events[-1].get("reason") == "Pulling":
        return one_line(events[-1].get("message") or "").replace("Pulling", "pulling", 1)
    placed = [pod for pod in pods if pod["spec"].get("nodeName")]
    return _counted(placed) if placed else "waiting for pods"
