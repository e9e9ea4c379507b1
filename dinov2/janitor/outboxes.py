"""Figures that MLflow never got: `var/tracking/DIGEST.jsonl`, of work that is not gone on with."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.workspaces import measured
from dinov2.storage import digest

KIND = "figures"
FOLDER = "var/tracking"


def find(search: Search) -> Iterator[Leftover]:
    """Those of work that no workspace here would continue, and that would send them then."""
    for path in sorted(search.context.path(FOLDER).glob("*.jsonl")):
        size, written = measured(path)
        if written is None or not search.old(written):
            continue
        if not search.all_known(KIND):
            return
        if path.stem not in _names(search):
            why = f"MLflow never got them, and no run here would send them; untouched for {search.ago(written)}"
            yield Leftover(KIND, f"{FOLDER}/{path.name}", why, size, partial(Path.unlink, path, missing_ok=True))


def _names(search: Search) -> set[str]:
    """What wanted work is tracked by: its own digest, and where checkpoints are kept apart theirs too."""
    digests, apart = search.wanted.digests, search.context.checkpoints.url
    return {*digests, *(digest(own, apart) for own in digests if search.context.settings.checkpoints)}
