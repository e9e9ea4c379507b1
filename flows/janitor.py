"""The janitor: what nobody needs any more is found, and removed if it is asked to."""

import json
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.actions import ArtifactCreate

from dinov2.runs.run import Run
from dinov2.settings import workspace
from flows.artifacts.markdown import bullets, table, text
from flows.artifacts.post import markdown, post
from flows.command import run_dinov2
from flows.forms.shown import shown
from flows.say import only_once

KEY = "janitor"
REPORT = "var/janitor.json"
MEGABYTE = 1e6

DeleteField = Annotated[bool, shown("Remove", "Remove what is found. Otherwise it is only shown.")]
DaysField = Annotated[int, shown("Days", "What was written to within so many days is left alone.", ge=1, le=3650)]


@flow(name="janitor")
def janitor(delete: DeleteField = False, older_than_days: DaysField = 14) -> None:
    """Find clones, checkpoints, jobs and scratch files that nobody needs any more, and remove them if asked to.

    Raises:
        StageError: something could not be looked for or removed; the rest was.
    """
    only_once()
    root = workspace()
    report = root / REPORT
    report.unlink(missing_ok=True)
    arguments = ["janitor", "--older-than", str(older_than_days), "--to", REPORT, *(["--delete"] if delete else [])]
    try:
        run_dinov2(Run("janitor", root, root), arguments, {})
    finally:
        if report.is_file():
            post(lambda: [page(report)])


def page(report: Path) -> ArtifactCreate:
    """What was found, why nobody needs it, and what became of it."""
    told: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    parts = [f"# {text(told['outcome'])}"]
    if told["found"]:
        rows = [
            (each["kind"], each["name"], f"{each['size_bytes'] / MEGABYTE:.1f}", each["why"], _fate(each))
            for each in told["found"]
        ]
        parts.append(table(("what", "", "MB", "why", ""), rows))
    if problems := [*told["failures"], *told["notes"]]:
        parts += ["## Left alone, or not removed", bullets(map(text, problems))]
    return markdown(KEY, "\n\n".join(parts), told["outcome"])


def _fate(leftover: dict[str, Any]) -> str:
    return "removed" if leftover["removed"] else "there"
