"""A run's end: what it was is committed to `runs/NAME`, and the versions that it registered say so."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dinov2.errors import ConfigError, UnreachableError
from dinov2.registry.tracking import deliver_kept
from dinov2.runs import git
from dinov2.runs.branches import trailers_of
from dinov2.runs.clone import Run, alone, kept
from dinov2.runs.code import check_known
from dinov2.runs.lock import LOCK
from dinov2.runs.names import FOLDER, branch, by_clock, checked
from dinov2.runs.signing import sign
from dinov2.settings import Settings, origin_of


@dataclass(frozen=True)
class Recorded:
    """A recorded run.

    Attributes:
        commit: the hash of its commit, the tip of `runs/NAME`.
        lock_sha256: of its dvc.lock.
        versions: the registered models' versions that it made, models:/NAME/VERSION.
    """

    commit: str
    lock_sha256: str
    versions: list[str]


def record(run: Run, settings: Settings, trailers: Mapping[str, str], push: bool) -> Recorded:
    """Commit a run's workspace, as it is, to `runs/NAME` of its origin, and sign the versions that it registered.

    Figures that its stages could not send to MLflow go there first.

    The same again is the same commit. What has changed since, or a trailer of another name, becomes a commit on top, so
    that versions that were signed before keep theirs. Index, HEAD and files of the user stay as they are.

    Args:
        run: a clone, or the workspace itself.
        settings: say where MLflow is.
        trailers: of the commit's message, such as `Flow: pipeline`.
        push: send the outputs to DVC's remote first; without them nothing is recorded.

    Raises:
        ConfigError: nothing has run yet, the branch is checked out somewhere, or as `check_recordable`.
        UnreachableError: DVC's remote or MLflow stays away.
    """
    checked(run.name)
    check_recordable(run)
    if not (run.root / LOCK).is_file():
        raise ConfigError(f"{run.root}: there is no {LOCK}: nothing has run yet")
    if push:
        _push(run.root)
    with alone(run.origin / FOLDER):
        commit = _commit(run, trailers)
    deliver_kept(settings, run.root)
    lock_sha256 = hashlib.sha256(git.content(run.origin, commit, LOCK)).hexdigest()
    return Recorded(commit, lock_sha256, sign(run, commit, lock_sha256, settings))


def check_recordable(run: Run) -> None:
    """Refuse a run whose commit would not be it.

    Raises:
        ConfigError: its workspace is no git repository, has no commit, or has code that git does not know.
    """
    git.repository(run.origin)
    check_known(run.root)


def record_here(root: Path, settings: Settings, name: str | None, push: bool) -> None:
    """What `dinov2 record` does: record the workspace `root`, or the run whose clone it is, and say what was done.

    Raises:
        As `record`.
    """
    origin = origin_of(root)
    own = root.name if origin != root else by_clock()
    run = Run(name or own, root, origin)
    recorded = record(run, settings, {}, push)
    print(f"{branch(run.name)}: commit {recorded.commit}; signed: {', '.join(recorded.versions) or 'no version'}")


def _commit(run: Run, trailers: Mapping[str, str]) -> str:
    ref = f"refs/heads/{branch(run.name)}"
    if place := git.git(run.origin, "for-each-ref", "--format=%(worktreepath)", ref):
        raise ConfigError(f"branch {branch(run.name)} is checked out in {place}; record under another name")
    if run.root != run.origin:  # where nothing but the clone knows the commit it began at, git may have removed it
        git.git(run.origin, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", str(run.root), "HEAD")
    tree, tip = git.tree(run.origin, run.root, kept(run.root)), git.commit(run.origin, ref)
    if tip and git.tree_of(run.origin, tip) == tree and trailers.keys() <= trailers_of(run.origin, tip).keys():
        return tip
    parent = tip or git.git(run.root, "rev-parse", "HEAD")
    made = git.make_commit(run.origin, tree, parent, _message(run.name, trailers))
    git.git(run.origin, "update-ref", ref, made, tip or "")
    return made


def _message(name: str, trailers: Mapping[str, str]) -> str:
    told = "".join(f"{key}: {' '.join(value.split())}\n" for key, value in trailers.items())
    return f"{name}\n\n{told}"


def _push(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "push"],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )
    if done.returncode:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise UnreachableError(f"{root}: dvc push: {said[0] if said else f'exit code {done.returncode}'}; not recorded")
