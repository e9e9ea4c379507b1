"""Prefect's server, as a run speaks to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import SyncPrefectClient, get_client

REQUEST_S = 20.0
"""After which a request has failed: no work waits for long for what it only tells."""


@contextmanager
def client() -> Iterator[SyncPrefectClient]:
    """A client of this thread's own."""
    with get_client(httpx_settings={"timeout": REQUEST_S}, sync_client=True) as own:
        yield own
