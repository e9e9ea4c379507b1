"""How many GPUs the stages of all runs may take at a time: a limit of Prefect's server, which stages take slots of."""

import contextlib

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

GPUS = "dinov2-gpus"


def limit_gpus(client: SyncPrefectClient, quota: int | None) -> None:
    """Let as many GPUs be taken at a time as `quota` says; any number where it is None."""
    if quota is None:
        with contextlib.suppress(ObjectNotFound):  # there was no limit
            client.delete_global_concurrency_limit_by_name(GPUS)
    else:
        client.upsert_global_concurrency_limit_by_name(GPUS, quota)
