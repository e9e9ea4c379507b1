"""Runs that a worker which is no more left behind: nobody else would ever say that they have ended."""

from collections.abc import Sequence

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments.runner import RunnerDeployment
from prefect.states import Cancelled, Crashed

from flows.deployed import find

RUN_ID = "PREFECT__FLOW_RUN_ID"
"""Variable by which a process knows the run that it carries out."""
BEGUN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
ABORTED = "Execution was aborted by a termination signal."
"""All that Prefect says of a run that was still able to say so when its worker ended."""
WHAT_NOW = "Retry it: what is done is skipped, and training goes on from its checkpoint."


def settle(deployments: Sequence[RunnerDeployment]) -> None:
    """Mark runs of these deployments as crashed that seem to go on, or as cancelled if they were to be.

    For a worker that is the only one of its workspace and has not begun. Runs that outlived their worker go on: it is
    by their processes on this machine that they are known.

    Args:
        deployments: those that the worker is going to serve.
    """
    with get_client(sync_client=True) as client:
        there = find(client, [f"{own.flow_name}/{own.name}" for own in deployments])
        ids = [each.id for each in there.values()]
        ours = DeploymentFilter(id=DeploymentFilterId(any_=ids))
        kinds = FlowRunFilterStateType(any_=[*BEGUN, StateType.CRASHED])
        those = FlowRunFilter(state=FlowRunFilterState(type=kinds))
        latest = FlowRunSort.START_TIME_DESC
        found = client.read_flow_runs(deployment_filter=ours, flow_run_filter=those, sort=latest) if ids else []
        ended = [run for run in found if run.state_type in BEGUN or (run.state and run.state.message == ABORTED)]
        alive = _alive() if ended else set()
        for run in ended:
            if str(run.id) not in alive:
                _mark(client, run)


def _mark(client: SyncPrefectClient, run: FlowRun) -> None:
    if run.state_type == StateType.CANCELLING:
        state: State = Cancelled(message="Its worker ended while it was being cancelled; nothing of it runs any more.")
    else:
        state = Crashed(message=f"The worker that carried it out has ended, and it with it. {WHAT_NOW}")
    client.set_flow_run_state(run.id, state, force=True)
    print(f"run {run.name}: {state.type.value.lower()}: {state.message}", flush=True)


def _alive() -> set[str]:
    """The runs that processes of this machine carry out."""
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(process.environ().get(RUN_ID, ""))
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):  # another user's, or none any more
            continue
    return found
