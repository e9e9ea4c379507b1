"""Artifacts on their way to Prefect: a server that is away, or refuses them, is told of and costs a run nothing."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from threading import Thread
from typing import Any
from uuid import UUID

from prefect import get_run_logger, runtime
from prefect.client.schemas.actions import ArtifactCreate

from flows.client import client

PATIENCE_S = 5.0
"""How long a run waits for its artifacts to arrive; after that they go on trying without it."""

_under_way: list[Thread] = []


def key(*parts: str) -> str:
    """The key of an artifact: lowercase letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def markdown(key: str, content: str, description: str) -> ArtifactCreate:
    """A page of text."""
    return ArtifactCreate(type="markdown", key=key, data=content, description=description)


def table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> ArtifactCreate:
    """A table; the first row's keys are its columns."""
    return ArtifactCreate(type="table", key=key, data=json.dumps(list(rows)), description=description)


def post(make: Callable[[], Sequence[ArtifactCreate]], wait: bool = True) -> None:
    """Create the artifacts that `make` gives, as ones of the task or flow run that calls.

    Args:
        make: is called on another thread.
        wait: for these, and for those of earlier calls; else they are made while the run goes on.
    """
    own, before = owner(), _under_way[-1:]

    def send() -> None:
        for thread in before:  # the later page of a stage is the one that counts
            thread.join()
        with client() as prefect:
            for artifact in make():
                prefect.create_artifact(artifact.model_copy(update=own))

    _under_way[:] = [thread for thread in _under_way if thread.is_alive()] + [beside(send)]
    if wait:
        deadline = time.monotonic() + PATIENCE_S
        for thread in _under_way:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in _under_way):
            get_run_logger().warning("Prefect's server is slow to take artifacts; going on without waiting for them")


def beside(work: Callable[[], None]) -> Thread:
    """Start `work` on a thread of its own, which knows the run; what goes wrong with it is told in the run's log."""
    logger = get_run_logger()

    def told() -> None:
        try:
            work()
        except Exception as error:  # of whatever kind: the work of the run is not worth losing for it
            logger.warning("artifacts are missing: %s: %s", type(error).__name__, error)

    thread = Thread(target=copy_context().run, args=(told,), name="artifacts", daemon=True)
    thread.start()
    return thread


def owner() -> dict[str, UUID | None]:
    """Whose artifacts are made here."""
    runs = {"flow_run_id": runtime.flow_run.id, "task_run_id": runtime.task_run.id}
    return {name: UUID(str(found)) if found else None for name, found in runs.items()}
