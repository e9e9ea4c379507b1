"""What every flow does that runs stages: those that are asked for, one after another, in the order of the graph."""

import time
from collections.abc import Mapping, Sequence

from prefect import get_client, runtime
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import StateType

from dinov2.runs.run import Run
from dinov2.stages.graph import read_graph
from flows.attempts import SCANNED, did, note
from flows.command import run_dinov2
from flows.locks import clear_stale_dvc_locks
from flows.stage import Timed, run_stage


def bring_up_to_date(run: Run, targets: Sequence[str], force: bool, environment: Mapping[str, str]) -> list[Timed]:
    """Run the stages of a workspace that are out of date; a stage that fails takes with it only what reads from it.

    Outputs and `dvc.lock` are those of `dvc repro`. The caller holds the workspace. A clone is made between scans, so
    its sources are looked through first; once in a flow run, whose retries go on with what was found.

    Args:
        run: where.
        targets: stages to bring up to date, with all that they need; none means every stage.
        force: run them even if nothing has changed, once however often the flow run is retried.
        environment: is added to this process's own.

    Returns:
        How each went, in order; `raise_failure` tells of those that failed.

    Raises:
        ConfigError: there is no such stage; nothing has run.
        StageError: the sources cannot be scanned.
    """
    clear_stale_dvc_locks(run.root)
    if run.root != run.origin and not did(run.root, SCANNED):
        run_dinov2(run, ["scan"], environment)
        note(run.root, SCANNED)
    forced_before = _completed_before() if force else set()
    done: dict[str, Timed] = {}
    for stage in read_graph(run.root, targets):
        started = time.monotonic()
        states = [done[name].state for name in stage.upstream]
        again = force and stage.name not in forced_before
        state = run_stage(stage.name, states, stage.changed, again, run.root, environment, return_state=True)
        done[stage.name] = Timed(stage.name, state, time.monotonic() - started)
    return list(done.values())


def raise_failure(stages: Sequence[Timed]) -> None:
    """Raise what the first of the stages that failed has raised, if any has."""
    for timed in stages:
        if timed.state.is_failed():
            timed.state.result()


def _completed_before() -> set[str]:
    """Stages that an earlier attempt of this flow run has completed."""
    if runtime.flow_run.run_count < 2:
        return set()
    this = FlowRunFilter(id=FlowRunFilterId(any_=[runtime.flow_run.id]))
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=this)
    return {task.name for task in tasks if task.state_type == StateType.COMPLETED}
