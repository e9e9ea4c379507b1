"""The deployments of `prefect.yaml` under the names that Prefect's server has them by, FLOW/DEPLOYMENT."""

from collections.abc import Iterable
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from dinov2.config import read_yaml


def listed(root: Path) -> set[str]:
    """Names of the deployments in `root`'s `prefect.yaml`."""
    entries = read_yaml(root / "prefect.yaml").get("deployments") or []
    return {
        f"{flow_of(each['entrypoint'])}/{each['name']}" for each in entries if {"name", "entrypoint"} <= each.keys()
    }


def flow_of(entrypoint: str) -> str:
    """The name of the flow `FILE:FUNCTION`, which takes long to load: the function's, as Prefect has it by default."""
    return entrypoint.rpartition(":")[2].replace("_", "-")


def find(client: SyncPrefectClient, names: Iterable[str]) -> dict[str, DeploymentResponse]:
    """Those deployments that the server has, by name; it may have many more, of others."""
    found = {}
    for name in names:
        try:
            found[name] = client.read_deployment_by_name(name)
        except ObjectNotFound:
            continue
    return found
