"""A run whose process and worker are both gone can report nothing: the server marks it."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification

PATIENCE = timedelta(minutes=3)
"""Several heartbeats, and longer than a server takes to come back: runs cannot be heard while it is away."""
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled", "RolledBack")
RESTS = ("Paused", "Suspended", "AwaitingRetry")
ASKS = "promote/promote"
"""Its runs rest until a person answers. A heartbeat that comes just after would be the last of one that seems to live,
so these are left to the worker, which marks what it finds when it starts."""


def automations(deployments: Mapping[str, UUID], patience: timedelta = PATIENCE) -> list[AutomationCore]:
    """Mark runs of these deployments as crashed `patience` after their last heartbeat, unless they have ended or rest.

    Other runs that the server may have are not this project's.
    """
    watched = [f"prefect.deployment.{each}" for name, each in sorted(deployments.items()) if name != ASKS]
    return [_automation(watched, patience)] if watched else []


def _automation(deployments: list[str], patience: timedelta) -> AutomationCore:
    of_ours = {"prefect.resource.role": "deployment", "prefect.resource.id": deployments}
    return AutomationCore(
        name="dinov2: mark runs that have died",
        description="A run that gives no sign of life is marked as crashed, and can be retried.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *(f"prefect.flow-run.{state}" for state in (*ENDS, *RESTS))},
            match=ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification.model_validate(of_ours),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=patience,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"No sign of life for {patience.total_seconds():.0f} s: the process that carried this run out, "
                "or its machine, is gone. Retry it: what is done is not done again.",
            )
        ],
    )
