"""Notes that runs leave for their own retries, and that outlive those which nobody retries."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.workspaces import measured

KIND = "note"
NOTES = {"var/taken": "what the stages of a run took", "var/promotions": "a comparison that was not decided on"}


def find(search: Search) -> Iterator[Leftover]:
    """Those untouched for long; a retry that comes after all makes them again."""
    for folder, what in NOTES.items():
        for path in sorted(search.context.path(folder).glob("*.json*")):
            size, written = measured(path)
            if written and search.old(written):
                why = f"{what}; untouched for {search.ago(written)}"
                yield Leftover(KIND, f"{folder}/{path.name}", why, size, partial(Path.unlink, path, missing_ok=True))
