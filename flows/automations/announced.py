"""New data that is announced starts re-curation."""

from uuid import UUID

from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification

from dinov2.runs.event import EVENT, POOL

DEPLOYMENT = "recurate/recurate"


def automations(deployments: dict[str, UUID]) -> list[AutomationCore]:
    """Start `DEPLOYMENT` with the URI of each announcement; none where it is not deployed.

    The URI is pasted into a string and stays one, whatever it holds: what a template yields is not read again.
    """
    if DEPLOYMENT not in deployments:
        return []
    uri = {"__prefect_kind": "jinja", "template": "{{ event.payload.uri }}"}
    return [
        AutomationCore(
            name="dinov2: re-curate announced data",
            description="`dinov2 announce URI`, or an event of that name through Prefect's API, starts a re-curation.",
            trigger=EventTrigger(
                expect={EVENT},
                match=ResourceSpecification.model_validate({"prefect.resource.id": POOL}),
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[
                RunDeployment(source="selected", deployment_id=deployments[DEPLOYMENT], parameters={"announced": uri})
            ],
        )
    ]
