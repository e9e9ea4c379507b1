"""What a Job is doing and how its pods ended, in a line, from what API servers of today answer."""

from typing import Any

import pytest

from dinov2.launch.kubernetes.follow.phase import phase, waiting_for
from dinov2.launch.kubernetes.follow.pods import how_it_ended
from dinov2.launch.kubernetes.values import Manifest


def a_job(pods: int = 2, labels: dict[str, str] | None = None, **spec: Any) -> Manifest:
    counts = {"completions": pods, "parallelism": pods}
    return {"metadata": {"uid": "job", "labels": labels or {}}, "spec": counts | spec, "status": {"succeeded": 1}}


def a_pod(index: int, state: str = "Running", node: str = "", made: str = "1", **status: Any) -> Manifest:
    annotations = {"batch.kubernetes.io/job-completion-index": str(index)}
    metadata = {"uid": f"{index}-{made}", "creationTimestamp": made, "annotations": annotations}
    spec = {"nodeName": node} if node else {}
    return {"metadata": metadata, "spec": spec, "status": {"phase": state} | status}


def container(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "worker", "image": "dinov2:1", "state": state}]}


UNSCHEDULABLE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
NO_NODE = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
NO_NODE["conditions"][0]["message"] = UNSCHEDULABLE
PULLING = [{"type": "Normal", "reason": "Scheduled"}, {"type": "Normal", "reason": "Pulling"}]
PULLING[-1]["message"] = 'Pulling image "dinov2:1"'
QUOTA = [{"type": "Warning", "reason": "FailedCreate", "message": "Error creating: exceeded quota"}]


@pytest.mark.parametrize(
    ("job", "pods", "events", "told"),
    [
        (
            a_job(suspend=True, labels={"kueue.x-k8s.io/queue-name": "team-a"}),
            [],
            [],
            "queued: suspended by Kueue, queue team-a",
        ),
        (a_job(), [], [], "starting: waiting for pods"),
        (a_job(), [], QUOTA, "starting: FailedCreate: Error creating: exceeded quota"),
        (
            a_job(),
            [a_pod(0, "Pending", **NO_NODE), a_pod(1, "Pending", **NO_NODE)],
            [],
            f"unschedulable: {UNSCHEDULABLE} (2 pods)",
        ),
        (a_job(), [a_pod(0, "Pending", "a"), a_pod(1, "Pending", "b")], PULLING, 'starting: pulling image "dinov2:1"'),
        (
            a_job(),
            [a_pod(0, "Running", "a"), a_pod(1, "Pending", "b")],
            PULLING,
            'starting: pulling image "dinov2:1"; 1 of 2 pods running',
        ),
        (a_job(), [a_pod(0, node="b"), a_pod(1, node="a")], [], "running: 2 pods on a, b"),
        (
            a_job(),
            [a_pod(0, node="a"), a_pod(1, "Failed", "a", "1"), a_pod(1, "Running", "b", "2")],
            [],
            "running: 2 pods on a, b",
        ),
        (
            a_job(),
            [a_pod(0, node="a"), a_pod(1, "Failed", "b")],
            [],
            "waiting for another pod in the place of pod 1",
        ),
        (a_job(), [a_pod(0, node="a"), a_pod(1, "Succeeded", "b")], [], "ending: 1 of 2 pods have ended well"),
        (
            a_job(),
            [a_pod(0, node="a"), a_pod(1, "Pending", "b", **container(waiting={"reason": "InvalidImageName"}))],
            [],
            "pod 1 on b cannot start: InvalidImageName",
        ),
    ],
)
def test_a_phase_is_one_line(job: Manifest, pods: list[Manifest], events: list[Manifest], told: str) -> None:
    assert phase(job, pods, events) == told


def test_indexes_that_work_apart_are_counted() -> None:
    assert phase(a_job(9), [a_pod(3, node="a")], (), indexed=True) == "running: 1 pod on a, 1 of 9 indexes done"


def test_events_are_asked_for_where_something_is_waited_for() -> None:
    assert waiting_for(a_job(suspend=True), []) is None
    assert waiting_for(a_job(), []) == "job"
    assert waiting_for(a_job(), [a_pod(0, node="a"), a_pod(1, "Pending", "b")]) == "1-1"
    assert waiting_for(a_job(), [a_pod(0, node="a"), a_pod(1, node="b")]) is None


def disrupted(reason: str, message: str) -> dict[str, Any]:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    return {"conditions": [condition]}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            disrupted("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"),
            "preempted by a pod of higher priority: default-scheduler: preempting to accommodate a higher priority pod",
        ),
        (
            disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
            "its node was lost or is being emptied: Taint manager: deleting due to NoExecute taint",
        ),
        (
            {"reason": "Evicted", "message": "The node was low on resource: memory."},
            "Evicted: The node was low on resource: memory.",
        ),
        (
            container(terminated={"exitCode": 137, "reason": "OOMKilled"}),
            "worker ended with exit code 137 (out of memory)",
        ),
        (container(terminated={"exitCode": 75}), "worker ended with exit code 75 (told to stop; it saved its state)"),
        (container(terminated={"exitCode": 1}), "worker ended with exit code 1"),
        (
            container(terminated={"exitCode": 128, "reason": "StartError", "message": "no such file:\n\"python\""}),
            'could not start: no such file: "python"',
        ),
    ],
)  # fmt: skip
def test_how_a_pod_ended_is_one_line(status: dict[str, Any], told: str) -> None:
    assert how_it_ended(a_pod(0, "Failed", "a", **status)) == told
