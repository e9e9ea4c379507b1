"""Refs that keep a commit in the repository while a clone is made of it, of processes that died over it."""

from collections.abc import Iterator
from functools import partial

from dinov2.janitor.leftover import Leftover, Search
from dinov2.runs import git
from dinov2.runs.clone import alone
from dinov2.runs.git import REFS
from dinov2.runs.names import FOLDER

KIND = "git ref"


def find(search: Search) -> Iterator[Leftover]:
    """All that are there while no clone is made: none is meant to stay, and their names never come again."""
    root = search.context.root
    if not (root / ".git").exists() or not _refs(search):
        return
    with alone(root / FOLDER):
        left = _refs(search)
    for ref in left:
        why = "the process that made a clone by it is dead"
        yield Leftover(KIND, ref, why, 0, partial(_remove, search, ref))


def _refs(search: Search) -> list[str]:
    return git.git(search.context.root, "for-each-ref", "--format=%(refname)", REFS).split()


def _remove(search: Search, ref: str) -> None:
    git.git(search.context.root, "update-ref", "-d", ref)
