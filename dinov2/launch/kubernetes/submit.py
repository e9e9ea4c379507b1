"""Having a Job on the cluster, once: its name is the digest of what it does, so whoever comes second attaches."""

import time
from collections.abc import Callable, Sequence

from dinov2.errors import UserError
from dinov2.launch.kubernetes.client import Cluster, Manifest
from dinov2.launch.kubernetes.follow import Manner, Voice, why_failed
from dinov2.launch.kubernetes.follow.pods import condition_of
from dinov2.launch.kubernetes.objects import uid_of
from dinov2.launch.kubernetes.removal import delete, wait_until_gone
from dinov2.launch.kubernetes.render.task import CODE
from dinov2.launch.local import JobFailedError
from dinov2.storage import digest

PAUSE_S = 0.2
MANIFEST = "dinov2.io/manifest"
"""Annotation of a Job with the digest of what it was made of."""


def submit(
    cluster: Cluster,
    manifests: Sequence[Manifest],
    prepare: Callable[[], None],
    rerun: bool,
    voice: Voice,
    manner: Manner,
) -> None:
    """Have the Job of `manifests` on the cluster: made, or found there.

    One that runs, or waits, is attached to. One that has failed is replaced if its code or manifests were others, or
    `rerun` asks for it; one that is complete is replaced too, since its outputs were not found or are not wanted.

    Args:
        cluster: where to.
        manifests: a Job, and the Service of its pods if they have one.
        prepare: is called before the Job is made.
        rerun: replace one that has failed whatever it was made of.
        voice: what tells of it.
        manner: how a Job is followed, which one that has failed is looked into with.

    Raises:
        JobFailedError: it has failed before, and nothing has changed.
    """
    job = _annotated(manifests)
    name = job["metadata"]["name"]
    while True:
        found = cluster.job(name)
        if found and not _replaceable(cluster, found, job, rerun, voice, manner):
            why = _changed(found, job)
            aside = f"; {why} since it was made: cancel it to begin anew" if why else ""
            voice.say(f"attached to Job {name} (namespace {cluster.namespace}){aside}")
            break
        if found:
            _remove(cluster, name, uid_of(found))
        prepare()
        if cluster.create(job):
            voice.say(f"created Job {name} (namespace {cluster.namespace})")
            break
    for service in (manifest for manifest in manifests if manifest["kind"] == "Service"):
        _have_service(cluster, service)


def _replaceable(cluster: Cluster, found: Manifest, job: Manifest, rerun: bool, voice: Voice, manner: Manner) -> bool:
    """Whether a Job of that name is in the way, rather than the one that is wanted."""
    name, state = job["metadata"]["name"], condition_of(found).get("type")
    if "deletionTimestamp" in found["metadata"]:
        voice.say(f"waiting for an earlier Job {name} to be deleted")
        return True
    if not state:
        return False
    if state == "Complete":
        voice.say(f"Job {name} is complete, but its outputs are to be made again; it is replaced")
        return True
    why = "on request" if rerun else _changed(found, job)
    if not why:
        error = why_failed(cluster, found, voice, manner)
        advice = "it failed before, and nothing has changed since: fix it and run again with DINOV2_RERUN=1"
        raise type(error)(f"{error}\n{advice}")
    voice.say(f"Job {name} has failed before; it is replaced: {why}")
    return True


def _changed(found: Manifest, job: Manifest) -> str:
    """What a failed Job had otherwise than this one; empty if nothing."""
    before, now = (each["metadata"].get("annotations") or {} for each in (found, job))
    if before.get(CODE) != now.get(CODE):
        return "the code has changed"
    return "k8s/jobs.yaml or the settings have changed" if before.get(MANIFEST) != now[MANIFEST] else ""


def _annotated(manifests: Sequence[Manifest]) -> Manifest:
    job = next(manifest for manifest in manifests if manifest["kind"] == "Job")
    annotations = (job["metadata"].get("annotations") or {}) | {MANIFEST: digest(*manifests)}
    return job | {"metadata": job["metadata"] | {"annotations": annotations}}


def _remove(cluster: Cluster, name: str, uid: str) -> None:
    delete(cluster, name, uid)
    if not wait_until_gone(cluster, name, uid):
        raise JobFailedError(f"Job {name} is being deleted, but some of its pods do not end; look at their nodes")


def _have_service(cluster: Cluster, service: Manifest) -> None:
    """Have the Service, owned by the Job: it goes when that does."""
    name = service["metadata"]["name"]
    job = cluster.job(name)
    if not job:
        return  # deleted in this moment, as whoever follows it will see
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
    owned = service | {"metadata": service["metadata"] | {"ownerReferences": [owner]}}
    while not cluster.create(owned):
        found = cluster.service(name)
        owners = (found or {"metadata": {}})["metadata"].get("ownerReferences") or []
        if found and any(each["uid"] == owner["uid"] for each in owners):
            return
        if found and not owners:
            raise UserError(f"Service {name} (namespace {cluster.namespace}) is not the launcher's; delete it")
        cluster.delete("Service", name)  # of an earlier Job of the name
        time.sleep(PAUSE_S)
