"""A person is asked once: runs that fail after the answer keep to it, and those that were never answered ask again."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_SERVER_ANALYTICS_ENABLED, temporary_settings
from prefect.states import Pending, Scheduled
from prefect.testing.utilities import prefect_test_harness

from flows.approval import KEPT, approval

pytestmark = pytest.mark.slow

GIVEN = {"approve": True, "reason": "it sees", "name": "Ann Lee"}
failures: list[Exception] = []


@flow(name="asks")
def asks() -> None:
    """Ask, then fail as often as there are failures."""
    given = approval("the comparison")
    assert given.model_dump() == GIVEN
    if failures:
        raise failures.pop()


@pytest.fixture(scope="module")
def client() -> Iterator[SyncPrefectClient]:
    """Of a server."""
    quiet = temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False})
    with quiet, prefect_test_harness(180), get_client(sync_client=True) as made:
        yield made


@pytest.fixture
def run(client: SyncPrefectClient) -> UUID:
    """A run of a deployment, as a worker gets it."""
    deployment = UUID(str(asks.to_deployment("asks").apply()))
    return client.create_flow_run_from_deployment(deployment, state=Scheduled()).id


def carry_out(client: SyncPrefectClient, run: UUID) -> StateType | None:
    """Do what a worker does with a run whose turn it is; the state that it is in then."""
    client.set_flow_run_state(run, Pending())
    with suppress(Pause):
        run_flow(asks, flow_run=client.read_flow_run(run), return_type="state")
    return client.read_flow_run(run).state_type


def retry(client: SyncPrefectClient, run: UUID) -> None:
    """As the page's button does."""
    assert client.set_flow_run_state(run, Scheduled(name="AwaitingRetry")).status.value == "ACCEPT"


def answer(client: SyncPrefectClient, run: UUID, given: dict[str, Any]) -> str:
    """As the page's form does; what the server says to it."""
    return client.resume_flow_run(run, run_input=given).status.value


def test_a_run_that_fails_after_the_answer_is_retried_with_it(client: SyncPrefectClient, run: UUID) -> None:
    assert carry_out(client, run) == StateType.PAUSED
    assert answer(client, run, GIVEN) == "ACCEPT"
    failures[:] = [ConnectionError("MLflow is away"), ConnectionError("still")]
    for _ in range(2):
        assert carry_out(client, run) == StateType.FAILED
        retry(client, run)
    assert carry_out(client, run) == StateType.COMPLETED
    assert client.read_flow_run(run).run_count == 3, "nobody was asked again"


def test_a_run_that_ended_while_it_asked_asks_again(client: SyncPrefectClient, run: UUID) -> None:
    assert carry_out(client, run) == StateType.PAUSED
    client.delete_flow_run_input(run, KEPT["description"])  # its server went away in the middle of asking
    for state in ("CANCELLED", "CRASHED"):
        body = {"state": {"type": state, "name": state.title()}, "force": True}
        client.request("POST", "/flow_runs/{id}/set_state", path_params={"id": run}, json=body)
        retry(client, run)
        assert carry_out(client, run) == StateType.PAUSED
        assert "the comparison" in client.read_flow_run_input(run, KEPT["description"])
    assert answer(client, run, {"approve": True}) == "REJECT"
    assert answer(client, run, GIVEN) == "ACCEPT"
    assert carry_out(client, run) == StateType.COMPLETED
