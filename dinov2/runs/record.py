"""A run's end: what it was is committed to `runs/NAME`, and the versions that it registered say so."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dinov2.errors import ConfigError, UnreachableError
from dinov2.runs import git
from dinov2.runs.clone import LOCK, Run, alone, kept
from dinov2.runs.names import BRANCHES, FOLDER, branch, by_clock, checked
from dinov2.runs.signing import sign
from dinov2.settings import Settings

FLOW = "Flow"
"""The trailer that says which flow a run is of."""


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

    The same again is the same commit. What has changed since becomes a commit on top, so that versions that were signed
    before keep theirs. Index, HEAD and files of the user stay as they are.

    Args:
        run: a clone, or the workspace itself.
        settings: say where MLflow is.
        trailers: of the commit's message, such as `Flow: pipeline`.
        push: send the outputs to DVC's remote first; without them nothing is recorded.

    Raises:
        ConfigError: nothing has run yet, or the branch is checked out somewhere.
        UnreachableError: DVC's remote or MLflow stays away.
    """
    checked(run.name)
    git.repository(run.origin)
    if not (run.root / LOCK).is_file():
        raise ConfigError(f"{run.root}: there is no {LOCK}: nothing has run yet")
    if push:
        _push(run.root)
    with alone(run.origin / FOLDER):
        commit = _commit(run, trailers)
    lock_sha256 = hashlib.sha256(git.content(run.origin, commit, LOCK)).hexdigest()
    return Recorded(commit, lock_sha256, sign(run, commit, lock_sha256, settings))


def record_here(root: Path, settings: Settings, name: str | None, push: bool) -> None:
    """What `dinov2 record` does: record the workspace `root`, or the run whose clone it is, and say what was done.

    Raises:
        As `record`.
    """
    origin = root.parents[len(FOLDER.parts)] if root.parent.match(str(FOLDER)) else root
    own = root.name if origin != root else by_clock()
    run = Run(name or own, root, origin)
    recorded = record(run, settings, {}, push)
    print(f"{branch(run.name)}: commit {recorded.commit}; signed: {', '.join(recorded.versions) or 'no version'}")


def latest(origin: Path, flow: str) -> str | None:
    """The branch of the run of a flow that was recorded last; None if there is none.

    Args:
        origin: the workspace.
        flow: what the commit's trailer `Flow` says.
    """
    wanted = f"%(refname:lstrip=2) %(contents:trailers:key={FLOW},valueonly)"
    order = ("--sort=-refname", "--sort=-committerdate")
    found = git.git(origin, "for-each-ref", *order, f"--format={wanted}", f"refs/heads/{BRANCHES}/")
    named = (line.split(" ", 1) for line in found.splitlines() if " " in line)
    return next((name for name, told in named if told.strip() == flow), None)


def _commit(run: Run, trailers: Mapping[str, str]) -> str:
    ref = f"refs/heads/{branch(run.name)}"
    if place := git.git(run.origin, "for-each-ref", "--format=%(worktreepath)", ref):
        raise ConfigError(f"branch {branch(run.name)} is checked out in {place}; record under another name")
    tree, tip = git.tree(run.origin, run.root, kept(run.root)), git.commit(run.origin, ref)
    if tip and git.tree_of(run.origin, tip) == tree:
        return tip
    if run.root != run.origin:  # where nothing but the clone knows the commit it began at, git may have removed it
        git.git(run.origin, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", str(run.root), "HEAD")
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
