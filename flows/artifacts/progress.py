"""The progress of a stage as an artifact that moves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from uuid import UUID

from prefect import get_run_logger
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from dinov2.progress import Told, read
from flows.artifacts.markdown import text
from flows.artifacts.post import beside, key, owner
from flows.client import client

SHORTEST_S, LONGEST_S = 2.0, 30.0
"""Between two updates: the longer, the longer the stage has run."""
CALM = 0.02
"""Of that time, for how long to wait."""
LAST_S = 5.0
"""How long a stage that has ended waits for its last update."""


@contextmanager
def progress_of(stage: str, path: Path) -> Iterator[None]:
    """Show what a stage tells of its progress, in the file `path`, while the block runs; at its good end all is done.

    There is no artifact before the stage has told anything.
    """
    path.unlink(missing_ok=True)
    ended, artifact, done = Event(), _Artifact(stage), False

    def watch() -> None:
        began = time.monotonic()
        while not ended.wait(min(LONGEST_S, max(SHORTEST_S, CALM * (time.monotonic() - began)))):
            artifact.show(read(path))
        if told := read(path):
            artifact.show(Told(told.line, told.total, told.total) if done else told)

    watching = beside(watch)
    try:
        yield
        done = True
    finally:
        ended.set()
        watching.join(LAST_S)
        path.unlink(missing_ok=True)


class _Artifact:
    def __init__(self, stage: str) -> None:
        self._key, self._owner, self._logger = key(stage, "progress"), owner(), get_run_logger()
        self._id: UUID | None = None
        self._shown = Told("", 0, 0)
        self._away = False

    def show(self, told: Told | None) -> None:
        """Show this unless it is shown already; a server that is away is asked again with the next."""
        if told is None or told == self._shown:
            return
        try:
            self._send(round(told.percent, 1), text(told.line))
        except Exception as error:  # of whatever kind: the stage is not worth losing for it
            if not self._away:
                self._logger.warning("progress is not shown at present: %s: %s", type(error).__name__, error)
            self._away = True
        else:
            self._shown, self._away = told, False

    def _send(self, percent: float, description: str) -> None:
        with client() as prefect:
            if self._id:
                prefect.update_artifact(self._id, ArtifactUpdate(data=percent, description=description))
            else:
                made = ArtifactCreate(type="progress", key=self._key, data=percent, description=description)
                self._id = prefect.create_artifact(made.model_copy(update=self._owner)).id
