"""Clones that runs have worked in, `var/runs/NAME`, and drafts of such."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dinov2.janitor.leftover import DAY_S, Leftover, Search
from dinov2.janitor.removal import remove_folder
from dinov2.janitor.workspaces import measured, run_folders, used_by
from dinov2.registry.tracking import FOLDER as FIGURES
from dinov2.runs import git
from dinov2.runs.names import BRANCHES, FOLDER, branch
from dinov2.runs.pipeline_lock import holder
from dinov2.training.checkpoints import complete

KIND = "clone"
REPRODUCTION = "reproduce-"
LONGER = 6
"""So many times as long stays a clone whose run failed and could go on with checkpoints."""


def find(search: Search) -> Iterator[Leftover]:
    """Those that nobody works in and that nothing was written to for long."""
    folders = run_folders(search.context.root)
    recorded = _recorded(search.context.root) if folders else set()
    current = holder(search.context.root)
    for folder in folders:
        size, written = measured(folder)
        written = folder.stat().st_mtime if written is None else written
        if not search.old(written) or folder.name == current or used_by(folder):
            continue
        if folder.name not in recorded and _is_spared(search, folder, written):
            continue
        why = f"{_state(folder.name, recorded)}; untouched for {search.ago(written)}"
        remove = partial(_remove, folder, search.context.root)
        yield Leftover(KIND, (FOLDER / folder.name).as_posix(), why, size, remove)


def _is_spared(search: Search, folder: Path, written: float) -> bool:
    """Whether a run that was never recorded may yet go on there, and not so long ago."""
    if folder.name.startswith((".", REPRODUCTION)) or search.now - written > LONGER * search.days * DAY_S:
        return False
    digests, store = search.wanted.by.get(folder, ()), search.context.checkpoints
    return folder in search.wanted.unknown or any(complete(store, digest) for digest in digests)


def _state(name: str, recorded: set[str]) -> str:
    if name in recorded:
        return f"recorded as {branch(name)}"
    if name.startswith("."):
        return "half made, or half removed"
    if name.startswith(REPRODUCTION):
        return "a reproduction"
    return "never recorded; DVC's cache and the store keep what it computed"


def _recorded(root: Path) -> set[str]:
    """Names of the runs that have a branch."""
    return set(git.git(root, "for-each-ref", "--format=%(refname:lstrip=3)", f"refs/heads/{BRANCHES}").split())


def _remove(folder: Path, origin: Path) -> None:
    """Remove a clone; figures that MLflow never got go to the workspace's, to be sent with them."""
    for figures in sorted((folder / FIGURES).glob("*.jsonl")):
        kept = origin / FIGURES / figures.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("ab") as file:  # the same work of both is one run of MLflow, which may be told things twice
            file.write(figures.read_bytes())
    remove_folder(folder)
