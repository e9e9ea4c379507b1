"""A run whose process and worker are both gone can report nothing: the server marks it."""

from datetime import timedelta

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification

PATIENCE = timedelta(minutes=3)
"""Several heartbeats, and longer than a server takes to come back: runs cannot be heard while it is away."""
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled", "RolledBack")
RESTS = ("Paused", "Suspended", "AwaitingRetry")


def automation(patience: timedelta = PATIENCE) -> AutomationCore:
    """Mark a run as crashed `patience` after its last heartbeat, if it has neither ended nor rests."""
    return AutomationCore(
        name="dinov2: mark runs that have died",
        description="A run that gives no sign of life is marked as crashed, and can be retried.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *(f"prefect.flow-run.{state}" for state in (*ENDS, *RESTS))},
            match=ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"}),
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
