"""A run's own copy of the workspace: `var/runs/NAME`, a git clone with the DVC cache and remotes of the workspace.

var/runs/.lock          held while a clone is made
var/runs/.NAME.draft    one that is being made; what a crash leaves of it, the next try removes
var/runs/NAME           whole, on the branch runs/NAME
"""

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from dinov2.config import read_yaml
from dinov2.errors import ConfigError, DataError
from dinov2.runs import git
from dinov2.runs.code import check_code
from dinov2.runs.lock import LOCK, Lock
from dinov2.runs.names import FOLDER, branch, checked
from dinov2.runs.run import Run, environment
from dinov2.runs.sharing import connect_dvc, lend
from dinov2.stages.params import PARAMS
from dinov2.storage import write_text

__all__ = ["Run", "at", "clone", "environment", "kept"]


def clone(origin: Path, name: str, params: Mapping[str, Any] | None = None) -> Run:
    """The clone of the workspace for the run `name`, made as the workspace is: with what differs from its commit.

    A clone that is there is the same run, to go on with, and one that was recorded and removed since comes back as it
    was recorded. New files that git does not know stay behind.

    Args:
        origin: the workspace.
        name: of the run.
        params: the whole of params.yaml, checked; None keeps the workspace's.

    Raises:
        ConfigError: the name is not allowed, or is that of a run with other parameters or other code; the workspace is
            no repository of git and DVC, or has no commit; a path in the parameters leads out of it.
    """
    run = Run(checked(name), origin / FOLDER / name, origin)
    wanted = read_yaml(origin / PARAMS) if params is None else yaml.safe_load(_spelt(params))
    git.repository(origin)
    with alone(run.root.parent):
        if run.root.exists():
            _check(run, run.root, wanted)
            return run
        recorded = git.commit(origin, f"refs/heads/{branch(name)}")
        with _draft(run.root) as draft:
            _check_out(origin, recorded or _as_it_is(origin), draft, branch(name))
            if not recorded and read_yaml(draft / PARAMS) != wanted:
                write_text(draft / PARAMS, _spelt(wanted))
            lend(origin, draft)
            _check(run, draft, wanted)
    return run


def at(origin: Path, revision: str, folder: Path) -> Run:
    """A clone as it was at a commit, DVC's cache and remotes being those of the workspace today.

    Args:
        origin: the workspace.
        revision: a commit, branch or tag.
        folder: where to; one that is there already must be at that commit.

    Raises:
        ConfigError: the workspace is no repository of git and DVC, or the folder is something else.
        DataError: there is no such commit.
    """
    git.repository(origin)
    wanted = git.commit(origin, revision)
    if wanted is None:
        raise DataError(f"{origin}: git has no commit {revision!r}; `git fetch` may bring it")
    with alone(folder.parent):
        if not folder.exists():
            with _draft(folder) as draft:
                _check_out(origin, wanted, draft)
                lend(origin, draft)
        elif not (folder / ".git").is_dir() or git.commit(folder, "HEAD") != wanted:
            raise ConfigError(f"{folder}: is there already and is no clone at {revision}; remove it")
    return Run(folder.name, folder, origin)


def kept(root: Path) -> list[str]:
    """Files of a workspace that belong to a run, be they new: what DVC says was done, and what it has git ignore."""
    lock = root / LOCK
    if not lock.is_file():
        return []
    stages = Lock(lock.read_bytes(), str(lock)).stages.values()
    outs = {Path(out.path) for stage in stages for out in stage.writes}
    ignored = {out.parent / ".gitignore" for out in outs if not out.is_absolute() and ".." not in out.parts}
    return [LOCK, *sorted(path.as_posix() for path in ignored if (root / path).is_file())]


def _as_it_is(origin: Path) -> str:
    """A commit of the workspace as it is on the disk."""
    found = git.tree(origin, origin, kept(origin))
    if found == git.tree_of(origin, "HEAD"):
        return "HEAD"
    return git.make_commit(origin, found, "HEAD", "As the workspace was\n")


def _check_out(origin: Path, commit: str, folder: Path, name: str = "") -> None:
    """A clone at a commit, on a branch of that name if it has one, with DVC set up."""
    hashed = git.git(origin, "rev-parse", commit)
    with git.reachable(origin, hashed) as ref:
        git.git(origin, "clone", "--quiet", "--no-checkout", "--", str(origin), str(folder))
        git.git(folder, "fetch", "--quiet", "--", "origin", ref)
    git.git(folder, "checkout", "--quiet", *(["-B", name] if name else ["--detach"]), hashed, "--")
    connect_dvc(origin, folder)


def _check(run: Run, folder: Path, wanted: Mapping[str, Any]) -> None:
    """That a clone is what the run should be."""
    if (found := read_yaml(folder / PARAMS)) != wanted:
        keys = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        raise ConfigError(f"run {run.name}: has other parameters already, in {', '.join(keys)}; choose another name")
    check_code(run.name, run.origin, folder)


def _spelt(params: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process makes a clone there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A folder that becomes `folder` when the block ends well, else is removed, as is that of a dead process."""
    draft = folder.with_name(f".{folder.name}.draft")
    if draft.exists():
        shutil.rmtree(draft)
    try:
        yield draft
        draft.rename(folder)
    finally:
        if draft.exists():
            shutil.rmtree(draft)
