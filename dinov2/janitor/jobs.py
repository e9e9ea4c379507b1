"""Jobs on the cluster that are over, or that nobody follows and no run would attach to again."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from dinov2.errors import UserError
from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.owned import is_owned
from dinov2.janitor.stored import Blob, blobs, by_part, newest
from dinov2.launch.kubernetes.client import Cluster
from dinov2.launch.kubernetes.config import load_jobs
from dinov2.launch.kubernetes.exchange import FOLDER
from dinov2.launch.kubernetes.follow.pods import condition_of
from dinov2.launch.kubernetes.followed import is_followed
from dinov2.launch.kubernetes.objects import uid_of
from dinov2.launch.kubernetes.removal import delete
from dinov2.launch.kubernetes.values import Manifest
from dinov2.runs.pipeline_lock import is_held

KIND = "job"
OURS = "app.kubernetes.io/managed-by=dinov2"
STORE = "DINOV2_STORE"


def find(search: Search) -> Iterator[Leftover]:
    """Jobs that this workspace alone has sent: ended long ago, or begun long ago and nobody here would attach to them.

    A Job outlives its launcher on purpose: the next one attaches. So that nobody follows it says nothing; what counts
    is whether a run that is begun again would. One that runs stays as long as a process here follows it, or a pipeline
    is at work, whatever it asks for: the code may have changed since.
    """
    context, theirs = search.context, 0
    sent = dict(by_part(blobs(context.store, FOLDER), 2))
    if not any(is_owned(search, folder, found) for folder, found in sent.items()):
        return  # then there may be no cluster
    cluster = Cluster(load_jobs(context.root).namespace)
    for job in cluster.jobs(OURS):
        if "deletionTimestamp" in job["metadata"] or _store_of(job) != context.store.url:
            continue
        name, found = job["metadata"]["name"], sent.get(f"{FOLDER}/{job['metadata']['name']}", [])
        if not is_owned(search, f"{FOLDER}/{name}", found):
            theirs += 1
        elif why := _why(search, job, found):
            yield Leftover(KIND, name, why, 0, partial(_remove, search, cluster, job))
    if theirs:
        search.notes.append(f"{KIND}: left alone, since other workspaces, or nobody, have a claim to them: {theirs}")


def _why(search: Search, job: Manifest, found: list[Blob]) -> str:
    """Why nobody needs it; empty if somebody may."""
    if ended := condition_of(job):
        moment = _seconds(ended.get("lastTransitionTime"))
        return f"{ended['type'].lower()} for {search.ago(moment)}" if moment and search.old(moment) else ""
    name, made, used = job["metadata"]["name"], _seconds(job["metadata"]["creationTimestamp"]), newest(found)
    if made is None or not (search.old(made) and search.old(used)) or not search.all_known(KIND):
        return ""
    if name in search.wanted.jobs or _at_work(search, name):
        return ""
    doing = "waits in a queue" if job["spec"].get("suspend") else "runs"
    return f"{doing}, made {search.ago(made)} ago, and no run here asks for it"


def _at_work(search: Search, name: str) -> bool:
    """Whether a process of this workspace follows a Job, or may be about to."""
    return is_held(search.context.root) or is_followed(name, search.context.root)


def _remove(search: Search, cluster: Cluster, job: Manifest) -> None:
    name, folder = job["metadata"]["name"], f"{FOLDER}/{job['metadata']['name']}"
    if not is_owned(search, folder, blobs(search.context.store, folder)):
        raise UserError(f"Job {name}: another workspace has it run too since it was looked at")
    if not condition_of(job) and _at_work(search, name):
        raise UserError(f"Job {name}: a process of this workspace is at work with it now")
    delete(cluster, name, uid_of(job))


def _store_of(job: Manifest) -> str:
    """The store that its pods are told."""
    containers = job["spec"]["template"]["spec"]["containers"]
    variables = [each for container in containers for each in container.get("env") or []]
    return next((each.get("value", "") for each in variables if each["name"] == STORE), "")


def _seconds(moment: str | None) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if moment else None
