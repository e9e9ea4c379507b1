"""What curation left in the scratch folder: spills of processes that died, and copies of what the store has."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dinov2.data.tables import LOCK, abandoned
from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.removal import remove_folder
from dinov2.janitor.workspaces import measured, used_by

KIND = "scratch"
COPIES = ("vectors", "weights")
"""Folders of what is gathered or fetched again when it is not there."""


def find(search: Search) -> Iterator[Leftover]:
    """Spills that nobody holds the lock of any more, and copies untouched for long."""
    for lock in _below(search, f"*/{LOCK}"):
        size, _ = measured(lock.parent)
        if lock.parent.parent.name not in COPIES and abandoned(lock):
            yield Leftover(KIND, str(lock.parent), "the process that made it is dead", size, _remover(lock.parent))
    for path in (path for name in COPIES for path in _below(search, f"{name}/*")):
        size, written = measured(path)
        if search.old(written) and written and not used_by(path):
            why = f"a copy of what the store has; untouched for {search.ago(written)}"
            yield Leftover(KIND, str(path), why, size, _remover(path))


def _below(search: Search, pattern: str) -> list[Path]:
    """What lies in the scratch folder, or in that of one run where all runs share a place."""
    scratch = search.context.scratch
    return sorted([*scratch.glob(pattern), *scratch.glob(f"*/{pattern}")])


def _remover(path: Path) -> partial[None]:
    return partial(remove_folder, path) if path.is_dir() else partial(Path.unlink, path, missing_ok=True)
