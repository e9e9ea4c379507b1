"""What jobs on a cluster read and wrote, as `dinov2.launch.kubernetes.exchange` lays it out, and nobody asks for."""

from collections.abc import Iterator, Sequence
from functools import partial

from pydantic import ValidationError

from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.stored import Blob, blobs, by_part, newest, unchanged
from dinov2.launch.kubernetes.blobs import FOLDER as CONTENTS
from dinov2.launch.kubernetes.client import Cluster
from dinov2.launch.kubernetes.config import load_jobs
from dinov2.launch.kubernetes.exchange import FOLDER, Done, Spec
from dinov2.storage import Store

KIND = "job files"


def find(search: Search) -> Iterator[Leftover]:
    """Files of old jobs that are neither on the cluster nor wanted, and contents that none of the others has.

    A job that is being sent just now, and finds old contents there before they go, fails and is sent again.
    """
    context = search.context
    if context.settings.launcher == "local":  # whether a Job is on its cluster cannot be known
        return
    found = blobs(context.store, FOLDER)
    contents = [blob for blob in found if _is_content(blob)]
    cluster, left = Cluster(load_jobs(context.root).namespace), []
    for name, own in by_part((blob for blob in found if not _is_content(blob)), 1):
        written, folder = newest(own), f"{FOLDER}/{name}"
        if written is not None and search.old(written) and _over(search, cluster, name):
            why = f"no Job of that name, and no run here asks for it; untouched for {search.ago(written)}"
            size = sum(blob.size for blob in own)
            yield Leftover(KIND, folder, why, size, partial(_remove, context.store, folder, written))
        else:
            left += own
    yield from _unreferenced(search, contents, left)


def _is_content(blob: Blob) -> bool:
    return blob.name.startswith(f"{CONTENTS}/")


def _over(search: Search, cluster: Cluster, name: str) -> bool:
    return search.all_known(KIND) and name not in search.wanted.jobs and cluster.job(name) is None


def _unreferenced(search: Search, contents: Sequence[Blob], left: Sequence[Blob]) -> Iterator[Leftover]:
    store = search.context.store
    try:
        needed = {sha256 for blob in left for sha256 in _names(store, blob.name)}
    except ValidationError as error:
        search.notes.append(f"{KIND}: contents left alone, since a job cannot be read: {error.errors()[0]['msg']}")
        return
    for blob in contents:
        if blob.written and search.old(blob.written) and blob.name.rpartition("/")[2] not in needed:
            why = f"no job that is left has this content; untouched for {search.ago(blob.written)}"
            yield Leftover(KIND, blob.name, why, blob.size, partial(_remove, store, blob.name, blob.written))


def _names(store: Store, name: str) -> list[str]:
    """SHA-256 of the contents that a file of a job names."""
    if name.endswith("/job.json"):
        return list(Spec.model_validate_json(store.read(name)).inputs.values())
    if "/done/" in name:
        return list(Done.model_validate_json(store.read(name)).outputs.values())
    return []


def _remove(store: Store, name: str, written: float) -> None:
    unchanged(store, name, written)
    store.delete(name)
