"""Checkpoints and data of reproductions that were given up; see `dinov2.runs.reproduce`."""

from collections.abc import Iterator
from functools import partial

from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.owned import old_and_owned
from dinov2.janitor.stored import blobs, remove
from dinov2.janitor.workspaces import used_by
from dinov2.runs.names import FOLDER
from dinov2.runs.reproduce import APART

KIND = "reproduction"


def find(search: Search) -> Iterator[Leftover]:
    """Those in whose clones nobody works, untouched for long."""
    store = search.context.store
    for folder, found, written in old_and_owned(search, KIND, blobs(store, APART)):
        if not used_by(search.context.path(str(FOLDER / folder.removeprefix(f"{APART}/")))):
            why = f"`dinov2 reproduce` was not gone on with for {search.ago(written)}"
            size = sum(blob.size for blob in found)
            yield Leftover(KIND, folder, why, size, partial(remove, store, folder, written))
