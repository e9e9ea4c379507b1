"""Taking a Job off the cluster, with its pods and its Service."""

import time

from dinov2.launch.kubernetes.client import Cluster
from dinov2.launch.kubernetes.objects import belongs_to, uid_of
from dinov2.launch.kubernetes.values import Manifest

POLL_S = 0.5
SLACK_S = 60.0
"""What the cluster may take beyond the grace period of the pods."""


def delete(cluster: Cluster, name: str, uid: str) -> None:
    """Ask for it: the cluster does the rest, whether anybody waits or not. Another Job of that name stays."""
    if _is(cluster.job(name), uid):
        cluster.delete("Job", name)
        cluster.delete("Service", name)


def wait_until_gone(cluster: Cluster, name: str, uid: str) -> bool:
    """Wait as long as the pods may take to save and end; whether nothing is left of it."""
    grace = SLACK_S
    for pod in _pods(cluster, name, uid):
        grace = max(grace, SLACK_S + (pod["spec"].get("terminationGracePeriodSeconds") or 0))
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        if not (_is(cluster.job(name), uid) or _pods(cluster, name, uid)):
            return True
        time.sleep(POLL_S)
    return False


def _is(job: Manifest | None, uid: str) -> bool:
    return bool(job and uid_of(job) == uid)


def _pods(cluster: Cluster, name: str, uid: str) -> list[Manifest]:
    return [pod for pod in cluster.pods(name) if belongs_to(pod, uid)]
