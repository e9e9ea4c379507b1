"""Runs that were recorded: branches `runs/NAME`, whose commits say in trailers what they are of."""

from collections.abc import Iterator
from pathlib import Path

from dinov2.runs import git
from dinov2.runs.names import BRANCHES

FLOW = "Flow"
"""The trailer that says which flow a run is of."""
TRAILERS = "%(trailers:only,unfold)"


def recorded(origin: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Branches of runs with the trailers of their last commits, the newest first."""
    order = ("--sort=-refname", "--sort=-committerdate")
    told = f"%(refname:lstrip=2)%0a{TRAILERS}%00"
    found = git.git(origin, "for-each-ref", *order, f"--format={told}", f"refs/heads/{BRANCHES}/")
    for text in filter(None, map(str.strip, found.split("\0"))):
        name, _, trailers = text.partition("\n")
        yield name, _read(trailers)


def latest(origin: Path, flow: str) -> str | None:
    """The branch of the run of a flow that was recorded last; None if there is none.

    Args:
        origin: the workspace.
        flow: what the commit's trailer `Flow` says.
    """
    return next((name for name, trailers in recorded(origin) if trailers.get(FLOW) == flow), None)


def trailers_of(origin: Path, revision: str) -> dict[str, str]:
    """The trailers of a commit."""
    return _read(git.git(origin, "log", "-1", f"--format={TRAILERS}", revision, "--"))


def _read(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
