"""What this workspace has a claim to in a store, and nobody else; the rest is not its to judge."""

from collections.abc import Iterable, Iterator

from dinov2.janitor.leftover import Search
from dinov2.janitor.stored import Blob, by_part, newest
from dinov2.janitor.tidy import in_bytes
from dinov2.launch.claims import claimants, owner_of


def is_owned(search: Search, folder: str, found: Iterable[Blob]) -> bool:
    """Whether a folder of a store, in which there are these blobs, is this workspace's alone."""
    return claimants((blob.name for blob in found), folder) == {owner_of(search.context.root)}


def old_and_owned(search: Search, kind: str, found: Iterable[Blob]) -> Iterator[tuple[str, list[Blob], float]]:
    """The folders one level down that nobody has written to for long and that are this workspace's alone.

    A note says how much more there is.

    Args:
        search: how old is old.
        kind: what is in them.
        found: blobs of one folder, in the order of their names.

    Yields:
        The name of each, its blobs, and when one was last written to.
    """
    theirs = []
    for folder, own in by_part(found, 2):
        written = newest(own)
        if written is None or not search.old(written):
            continue
        if is_owned(search, folder, own):
            yield folder, own, written
        else:
            theirs.append(sum(blob.size for blob in own))
    if theirs:
        note = f"{kind}: left alone, since other workspaces, or nobody, have a claim to it: {in_bytes(sum(theirs))}"
        search.notes.append(f"{note} in {len(theirs)} folders")
