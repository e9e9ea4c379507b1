"""Asking a person: a run leaves the worker until there is an answer, and keeps to it however often it is retried."""

from uuid import UUID

from prefect import get_client, runtime, suspend_flow_run
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_base_key
from pydantic import Field

KEY = "approval"
KEPT = keyset_from_base_key(f"suspended-{KEY}")
"""Under which Prefect keeps the form, its description and the answer."""


class Approval(RunInput):
    """What a person answers who has seen the comparison."""

    approve: bool = Field(
        False,
        title="Make it the champion",
        description="The present champion stays at hand as previous_champion. Off: it is refused.",
        json_schema_extra={"position": 0},
    )
    reason: str = Field(
        title="Reason",
        description="Kept with the decision.",
        pattern=r"\S",
        max_length=1000,
        json_schema_extra={"position": 1},
    )
    name: str = Field(
        title="Your name",
        description="Kept with the decision.",
        pattern=r"\S",
        max_length=100,
        json_schema_extra={"position": 2},
    )


def approval(description: str) -> Approval:
    """The answer of a person who is shown `description`; without one the flow run is suspended until there is.

    Prefect forgets that it has asked when a run that ended badly is retried, but keeps what it has been told: it would
    ask again, and could not, since there is a form already.
    """
    run = UUID(str(runtime.flow_run.id))
    with get_client(sync_client=True) as client:
        found = client.filter_flow_run_input(run, f"suspended-{KEY}-", limit=len(KEPT), exclude_keys=set())
        kept = {each.key: each for each in found}
        if answer := kept.get(KEPT["response"]):
            return Approval.load_from_flow_run_input(answer)
        for key in kept:  # of an attempt that ended while it asked
            client.delete_flow_run_input(run, key)
    return suspend_flow_run(wait_for_input=Approval.with_initial_data(description=description), key=KEY)
