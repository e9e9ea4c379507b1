"""Messages about runs, through a notification block that a user has made on Prefect's page."""

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification

from dinov2.errors import ConfigError

OCCASIONS = {
    "has succeeded": ("Completed",),
    "has failed": ("Failed", "TimedOut"),
    "has crashed": ("Crashed",),
    "waits for approval": ("Paused", "Suspended"),
}
"""What is told of a run, and the states that it is told of."""
BODY = """\
Flow: {{ flow.name }}
Run: {{ flow_run.name }}
State: {{ flow_run.state.name }}
{% if flow_run.state.message %}{{ flow_run.state.message }}
{% endif %}{{ flow_run|ui_url }}
"""


def find(client: SyncPrefectClient, block: str) -> UUID:
    """The identifier of the notification block `TYPE/NAME`.

    Raises:
        ConfigError: there is none; the message lists those that there are.
    """
    can_notify = {"block_schemas": {"block_capabilities": {"all_": ["notify"]}}}
    found = client.request("POST", "/block_documents/filter", json=can_notify).raise_for_status().json()
    blocks = {f"{each['block_type']['slug']}/{each['name']}": UUID(each["id"]) for each in found if each["name"]}
    if block not in blocks:
        raise ConfigError(
            f"DINOV2_NOTIFY: {block!r}: Prefect has no such notification block; it has "
            f"{', '.join(sorted(blocks)) or 'none'}. They are made on its page, under Blocks: run `make up` without "
            "DINOV2_NOTIFY for that"
        )
    return blocks[block]


def automations(block: UUID, deployments: list[UUID]) -> list[AutomationCore]:
    """One for each of `OCCASIONS`, about runs of `deployments` and no others; each can be switched off on the page."""
    of_ours = {
        "prefect.resource.role": "deployment",
        "prefect.resource.id": [f"prefect.deployment.{each}" for each in sorted(deployments)],
    }
    return [
        AutomationCore(
            name=f"dinov2: tell when a run {occasion}",
            description="Made by `make up` for DINOV2_NOTIFY.",
            trigger=EventTrigger(
                expect={f"prefect.flow-run.{state}" for state in states},
                match=ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"}),
                match_related=ResourceSpecification.model_validate(of_ours),
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[
                SendNotification(
                    block_document_id=block,
                    subject=f"{{{{ flow.name }}}} {{{{ flow_run.name }}}} {occasion}",
                    body=BODY,
                )
            ],
        )
        for occasion, states in OCCASIONS.items()
    ]
