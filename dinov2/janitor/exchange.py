"""What jobs on a cluster read and wrote, as `dinov2.launch.kubernetes.exchange` lays it out, and nobody asks for."""

from collections.abc import Iterator, Sequence
from functools import partial

from pydantic import ValidationError

from dinov2.janitor.jobs import OURS
from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.owned import old_and_owned
from dinov2.janitor.stored import Blob, blobs, remove
from dinov2.launch.kubernetes.blobs import FOLDER as CONTENTS
from dinov2.launch.kubernetes.client import Cluster
from dinov2.launch.kubernetes.config import load_jobs
from dinov2.launch.kubernetes.exchange import FOLDER, Done, Spec
from dinov2.storage import Store

KIND = "job files"


def find(search: Search) -> Iterator[Leftover]:
    """Files of old jobs that are neither on the cluster nor wanted, and contents that none of the others has.

    The cluster is asked about jobs that were sent to it from here: without such there may be none. A job that is being
    sent just now, and finds old contents there before they go, fails and is sent again.
    """
    store, gone = search.context.store, set[str]()
    found = blobs(store, FOLDER)
    contents = [blob for blob in found if _is_content(blob)]
    jobs = [blob for blob in found if not _is_content(blob)]
    unwanted = [each for each in old_and_owned(search, KIND, jobs) if _is_unwanted(search, each[0])]
    there = _on_the_cluster(search) if unwanted else set()
    for folder, own, written in unwanted:
        if folder not in there:
            gone.update(blob.name for blob in own)
            why = f"no Job of that name, and no run here asks for it; untouched for {search.ago(written)}"
            size = sum(blob.size for blob in own)
            yield Leftover(KIND, folder, why, size, partial(remove, store, folder, written))
    yield from _unreferenced(search, contents, [blob for blob in jobs if blob.name not in gone])


def _is_content(blob: Blob) -> bool:
    return blob.name.startswith(f"{CONTENTS}/")


def _is_unwanted(search: Search, folder: str) -> bool:
    return search.all_known(KIND) and folder.removeprefix(f"{FOLDER}/") not in search.wanted.jobs


def _on_the_cluster(search: Search) -> set[str]:
    """The folders of all Jobs that are there."""
    cluster = Cluster(load_jobs(search.context.root).namespace)
    return {f"{FOLDER}/{job['metadata']['name']}" for job in cluster.jobs(OURS)}


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
            yield Leftover(KIND, blob.name, why, blob.size, partial(remove, store, blob.name, blob.written))


def _names(store: Store, name: str) -> list[str]:
    """SHA-256 of the contents that a file of a job names."""
    if name.endswith("/job.json"):
        return list(Spec.model_validate_json(store.read(name)).inputs.values())
    if "/done/" in name:
        return list(Done.model_validate_json(store.read(name)).outputs.values())
    return []
