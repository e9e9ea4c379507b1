"""Re-curations that were recorded: what another one is compared with, and what it is worth."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from dinov2.errors import DataError
from dinov2.runs import git
from dinov2.runs.branches import FLOW, recorded
from dinov2.runs.lock import LOCK
from dinov2.runs.names import branch
from dinov2.runs.quality import STAGES, Figures
from dinov2.runs.run import Run
from dinov2.stages.files import metrics

NAME = "recurate"
"""What the trailer `Flow` of its commits says."""
TRAINED = "Trained"
"""Trailer of those whose training set was trained on."""
LAST = "pack"
"""The stage with which curation ends."""


@dataclass(frozen=True)
class Earlier:
    """Branches of earlier re-curations: the one recorded last, and the last one that was trained on."""

    recorded: str | None
    trained: str | None


def earlier(run: Run) -> Earlier:
    """Those before a run, which may have been recorded itself."""
    found = [(name, trailers) for name, trailers in recorded(run.origin) if name != branch(run.name)]
    own = [(name, trailers) for name, trailers in found if trailers.get(FLOW) == NAME]
    trained = (name for name, trailers in own if trailers.get(TRAINED))
    return Earlier(next((name for name, _ in own), None), next(trained, None))


def figures_at(origin: Path, revision: str) -> Figures:
    """What the stages had counted in a recorded run.

    Raises:
        DataError: DVC's cache and remote have it no more.
    """
    from dvc.api import DVCFileSystem  # takes seconds
    from dvc.exceptions import DvcException

    files = DVCFileSystem(str(origin), rev=revision)
    try:
        return Figures(**{stage: json.loads(files.read_text(metrics(stage))) for stage in STAGES})
    except (FileNotFoundError, DvcException) as error:
        raise DataError(
            f"{revision}: its figures cannot be read, so nothing can be compared with it: {error}"
        ) from None


def bring_branch(run: Run, name: str) -> str:
    """Have a branch of the workspace in a run's clone, too; the revision that it is there."""
    there = f"refs/remotes/origin/{name}"
    if run.root == run.origin:
        return name
    git.git(run.root, "fetch", "--quiet", "--no-tags", "--", "origin", f"+refs/heads/{name}:{there}")
    return f"origin/{name}"


def unchanged(run: Run, name: str, stages: Iterable[str]) -> bool:
    """Whether these stages have been done in a run just as on the branch `name`, by the same code and parameters."""
    before = yaml.safe_load(git.content(run.origin, name, LOCK))["stages"]
    now = yaml.safe_load((run.root / LOCK).read_text(encoding="utf-8"))["stages"]
    return all(stage in now and before.get(stage) == now[stage] for stage in stages)
