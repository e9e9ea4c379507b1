"""Runs of a worker that is no more, on a real server: which are marked, as what, and which are left alone."""

import subprocess
import sys
from uuid import UUID

import pytest
from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling, Completed, Crashed, Paused, Pending, Running, Scheduled
from prefect.testing.utilities import prefect_test_harness

from flows.left_behind import ABORTED, RUN_ID, settle

pytestmark = pytest.mark.slow


@flow(name="served")
def served() -> None:
    """Nothing."""


@flow(name="foreign")
def foreign() -> None:
    """Nothing."""


def test_what_nothing_carries_out_any_more_is_marked_and_nothing_else_is(capsys: pytest.CaptureFixture[str]) -> None:
    with prefect_test_harness(server_startup_timeout=120), get_client(sync_client=True) as client:
        ours, theirs, new = (
            each.to_deployment("one") for each in (served, foreign, served.with_options(name="never served"))
        )
        here, elsewhere = UUID(str(ours.apply())), UUID(str(theirs.apply()))

        def run(state: State, deployment: UUID = here) -> str:
            made = client.create_flow_run_from_deployment(deployment, state=Scheduled())
            client.set_flow_run_state(made.id, state, force=True)
            return str(made.id)

        marked = {
            "CRASHED": [run(Running()), run(Pending()), run(Crashed(message=ABORTED))],
            "CANCELLED": [run(Cancelling())],
        }
        kept = [run(state) for state in (Scheduled(), Paused(), Completed(), Crashed(message="x"))] + [
            run(Running(), elsewhere)
        ]
        alive = run(Running())
        before = {each: client.read_flow_run(UUID(each)).state_type for each in (*kept, alive)}
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={RUN_ID: alive}) as process:
            settle([ours, new])
            process.communicate(b"\n")
        for wanted, runs in marked.items():
            for each in runs:
                found = client.read_flow_run(UUID(each)).state
                assert found
                assert found.type.value == wanted
        assert {each: client.read_flow_run(UUID(each)).state_type for each in before} == before
        assert capsys.readouterr().out.count("Retry it: what is done is skipped") == 3
        settle([ours])
        assert client.read_flow_run(UUID(alive)).state_type == StateType.CRASHED
