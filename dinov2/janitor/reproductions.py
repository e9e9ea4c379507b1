"""Checkpoints and data of reproductions that were given up; see `dinov2.runs.reproduce`."""

from collections.abc import Iterator
from functools import partial

from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.stored import blobs, by_part, newest, unchanged
from dinov2.janitor.workspaces import used_by
from dinov2.runs.names import FOLDER
from dinov2.runs.reproduce import APART
from dinov2.storage import Store

KIND = "reproduction"


def find(search: Search) -> Iterator[Leftover]:
    """Those in whose clones nobody works, untouched for long."""
    store = search.context.store
    for name, found in by_part(blobs(store, APART), 1):
        written, folder = newest(found), f"{APART}/{name}"
        if written and search.old(written) and not used_by(search.context.path(str(FOLDER / name))):
            why = f"`dinov2 reproduce` was not gone on with for {search.ago(written)}"
            size = sum(blob.size for blob in found)
            yield Leftover(KIND, folder, why, size, partial(_remove, store, folder, written))


def _remove(store: Store, folder: str, written: float) -> None:
    unchanged(store, folder, written)
    store.delete(folder)
