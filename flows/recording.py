"""The end of a run that went well: it becomes a branch, and the versions that it registered say which."""

from collections.abc import Sequence

from prefect import runtime

from dinov2.errors import ConfigError
from dinov2.runs import git
from dinov2.runs.branches import FLOW, latest
from dinov2.runs.clone import kept
from dinov2.runs.names import branch
from dinov2.runs.record import check_recordable, record
from dinov2.runs.run import Run
from dinov2.settings import Settings
from flows.say import say
from flows.stage import Timed


def record_run(run: Run, settings: Settings, flow: str, stages: Sequence[Timed], **trailers: str) -> None:
    """Record a run, whose outputs are pushed first if it has a clone of its own.

    A workspace that cannot be recorded, such as one that is no git repository, is said to be left alone; and one in
    which nothing has run that an earlier run of this flow has not recorded needs no second branch.

    Args:
        run: where.
        settings: say where MLflow is.
        flow: the name of the flow.
        stages: how they went, none badly.
        trailers: of the commit's message, beside those that all runs have.

    Raises:
        ConfigError, UnreachableError: as `dinov2.runs.record.record`.
    """
    here = run.root == run.origin
    if here:
        try:
            check_recordable(run)
        except ConfigError as error:
            say(f"Not recorded: {error}")
            return
        if all(timed.outcome == "up to date" for timed in stages) and _is_recorded(run, flow):
            return
    own = {FLOW: flow, **trailers, "Flow-run": str(runtime.flow_run.id)}
    recorded = record(run, settings, own, push=not here)
    signed = "".join(f", {version}" for version in recorded.versions)
    say(f"Recorded: branch {branch(run.name)}, commit {recorded.commit[:12]}{signed}")


def _is_recorded(run: Run, flow: str) -> bool:
    """Whether the last run of this flow has left the workspace just as it is."""
    found = latest(run.origin, flow)
    return found is not None and git.tree_of(run.origin, found) == git.tree(run.origin, run.root, kept(run.root))
