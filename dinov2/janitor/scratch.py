"""What curation left in the scratch folder: spills of processes that died, and copies of what the store has.

Other programs, and other workspaces, may use the same folder: only what is called as ours is called is looked at.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dinov2.curation.spool import FOLDER as VECTORS
from dinov2.data.tables import LOCK, OURS, abandoned
from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.removal import remove_folder
from dinov2.janitor.workspaces import measured, used_by
from dinov2.launch.kubernetes.followed import FOLDER as FOLLOWED
from dinov2.stages.learnt import FOLDER as WEIGHTS

KIND = "scratch"
COPIES = {VECTORS: re.compile(r"[0-9a-f]{16}"), WEIGHTS: re.compile(r"([0-9a-f]{16}|[0-9a-f]{64})\.safetensors")}
"""Folders of what is gathered or fetched again when it is not there, and how that is called there: by digests."""


def find(search: Search) -> Iterator[Leftover]:
    """Spills that nobody holds the lock of any more, and copies, both untouched for long."""
    here = [*search.context.path(str(FOLLOWED)).glob(f"{OURS}*/{LOCK}")]
    for lock in (*_below(search, f"{OURS}*/{LOCK}"), *sorted(here)):
        size, written = measured(lock.parent)
        if written and search.old(written) and abandoned(lock):
            why = f"the process that made it is dead; untouched for {search.ago(written)}"
            yield Leftover(KIND, str(lock.parent), why, size, partial(remove_folder, lock.parent))
    for path in (path for name in COPIES for path in _below(search, f"{name}/*")):
        if not COPIES[path.parent.name].fullmatch(path.name):
            continue
        size, written = measured(path)
        if written and search.old(written) and not used_by(path):
            why = f"a copy of what the store has; untouched for {search.ago(written)}"
            yield Leftover(KIND, str(path), why, size, _remover(path))


def _below(search: Search, pattern: str) -> list[Path]:
    """What lies in the scratch folder, or in that of one run where all runs share a place."""
    scratch = search.context.scratch
    return sorted([*scratch.glob(pattern), *scratch.glob(f"*/{pattern}")])


def _remover(path: Path) -> partial[None]:
    return partial(remove_folder, path) if path.is_dir() else partial(Path.unlink, path, missing_ok=True)
