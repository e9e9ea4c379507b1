"""Jobs on the cluster that are over, or that nobody follows and no run would attach to again."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from dinov2.janitor.leftover import Leftover, Search
from dinov2.launch.kubernetes.client import Cluster
from dinov2.launch.kubernetes.config import load_jobs
from dinov2.launch.kubernetes.follow.pods import condition_of
from dinov2.launch.kubernetes.objects import uid_of
from dinov2.launch.kubernetes.removal import delete
from dinov2.launch.kubernetes.values import Manifest

KIND = "job"
OURS = "app.kubernetes.io/managed-by=dinov2"
STORE = "DINOV2_STORE"


def find(search: Search) -> Iterator[Leftover]:
    """Jobs of this store: ended long ago, or begun long ago and no workspace here asks for them.

    A Job outlives its launcher on purpose: the next one attaches. So that nobody follows it says nothing; what counts
    is whether a run that is begun again would.
    """
    context = search.context
    if context.settings.launcher == "local":
        return
    cluster = Cluster(load_jobs(context.root).namespace)
    for job in cluster.jobs(OURS):
        if "deletionTimestamp" not in job["metadata"] and _store_of(job) == context.store.url:
            name, why = job["metadata"]["name"], _why(search, job)
            if why:
                yield Leftover(KIND, name, why, 0, partial(delete, cluster, name, uid_of(job)))


def _why(search: Search, job: Manifest) -> str:
    """Why nobody needs it; empty if somebody may."""
    if ended := condition_of(job):
        moment = _seconds(ended.get("lastTransitionTime"))
        return f"{ended['type'].lower()} for {search.ago(moment)}" if moment and search.old(moment) else ""
    made = _seconds(job["metadata"]["creationTimestamp"])
    if made is None or not search.old(made) or not search.all_known(KIND):
        return ""
    if job["metadata"]["name"] in search.wanted.jobs:
        return ""
    doing = "waits in a queue" if job["spec"].get("suspend") else "runs"
    return f"{doing}, made {search.ago(made)} ago, and no run here asks for it"


def _store_of(job: Manifest) -> str:
    """The store that its pods are told."""
    containers = job["spec"]["template"]["spec"]["containers"]
    variables = [each for container in containers for each in container.get("env") or []]
    return next((each.get("value", "") for each in variables if each["name"] == STORE), "")


def _seconds(moment: str | None) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if moment else None
