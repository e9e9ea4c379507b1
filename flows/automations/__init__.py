"""What Prefect's server does by itself for the deployments: marks dead runs, starts re-curation, sends messages."""

from collections.abc import Sequence
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.filters import AutomationFilter, AutomationFilterTags
from prefect.events.schemas.automations import Automation, AutomationCore

from flows.automations import announced, notify, zombies
from flows.deployed import find, listed
from flows.limits import limit_gpus
from flows.settings import UpSettings

TAG = "dinov2"
"""Automations with it are this project's: `settle` changes and removes them, and no others."""


def apply(client: SyncPrefectClient, root: Path, up: UpSettings) -> None:
    """Settle the automations for the deployments of `root`'s `prefect.yaml` that the server has, and the GPUs' limit.

    Raises:
        ConfigError: there is no such notification block.
    """
    deployments = {name: each.id for name, each in find(client, listed(root)).items()}
    messages = notify.automations(notify.find(client, up.notify), list(deployments.values())) if up.notify else []
    settle(client, [*zombies.automations(deployments), *announced.automations(deployments), *messages])
    limit_gpus(client, up.gpu_quota)


def settle(client: SyncPrefectClient, automations: Sequence[AutomationCore]) -> None:
    """Make the server have these automations and no others with `TAG`; one that was switched off there stays off.

    What is right already is left alone: a change makes the server forget which runs it waits for.
    """
    ours = AutomationFilter(tags=AutomationFilterTags(all_=[TAG]))
    there = {each.name: each for each in client.read_automations(automations=ours)}
    for automation in automations:
        new = automation.model_copy(update={"tags": [TAG]})
        old = there.pop(automation.name, None)
        if old is None:
            client.create_automation(new)
        elif _meaning(old) != _meaning(new):
            body = new.model_copy(update={"enabled": old.enabled}).model_dump(mode="json", exclude={"owner_resource"})
            client.request("PUT", "/automations/{id}", path_params={"id": old.id}, json=body).raise_for_status()
    for left in there.values():
        client.delete_automation(left.id)


def _meaning(automation: Automation | AutomationCore) -> dict[str, object]:
    """What it does, without what the server adds."""
    told = automation.model_dump(include={"description", "trigger", "actions"})
    told["trigger"].pop("id", None)
    return told
