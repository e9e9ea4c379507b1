"""Clones that runs have worked in, `var/runs/NAME`, and drafts of such."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.removal import remove_folder
from dinov2.janitor.workspaces import holder, measured, run_folders, used_by
from dinov2.runs import git
from dinov2.runs.names import BRANCHES, FOLDER, branch

KIND = "clone"
REPRODUCTION = "reproduce-"


def find(search: Search) -> Iterator[Leftover]:
    """Those that nobody works in and that nothing was written to for long."""
    folders = run_folders(search.context.root)
    recorded = _recorded(search.context.root) if folders else set()
    current = holder(search.context.root)
    for folder in folders:
        size, written = measured(folder)
        written = folder.stat().st_mtime if written is None else written
        if search.old(written) and folder.name != current and not used_by(folder):
            why = f"{_state(folder.name, recorded)}; untouched for {search.ago(written)}"
            yield Leftover(KIND, (FOLDER / folder.name).as_posix(), why, size, partial(remove_folder, folder))


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
