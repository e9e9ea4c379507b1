"""What a re-curation found: a page for whoever decides what becomes of it, its tables, and the drift in a picture."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.client.schemas.actions import ArtifactCreate

from flows.artifacts.markdown import bullets, code, table, text
from flows.artifacts.pictures import picture, reduced
from flows.artifacts.post import key, markdown
from flows.artifacts.post import table as table_artifact

KEY = "recuration"
COLUMNS = ("old", "new", "added", "removed", "changed", "kept")
MOST_ROWS = 40


@dataclass(frozen=True)
class Difference:
    """What differs from an earlier re-curation, as `dinov2 diff` has written it.

    Attributes:
        branch: the earlier one.
        summary: counts and drift.
        table: images by group.
        picture: of the drift.
    """

    branch: str
    summary: dict[str, Any]
    table: list[dict[str, str]]
    picture: Path


def read_difference(branch: str, folder: Path) -> Difference:
    """What `dinov2 diff` has written to a folder."""
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Difference(branch, json.loads((folder / "summary.json").read_text("utf-8")), rows, folder / "drift.png")


def recuration(name: str, root: Path, difference: Difference | None, broken: Sequence[str]) -> list[ArtifactCreate]:
    """The artifacts of a re-curation.

    Args:
        name: of the run.
        root: its workspace.
        difference: from the one before; None if there is none.
        broken: rules of data quality that are broken.
    """
    came = f"rules of data quality that are broken: {len(broken)}" if broken else "the rules of data quality hold"
    parts = [f"# {text(name)}: {came}"]
    if broken:
        parts += [bullets(map(text, broken)), "Nothing is recorded: the next one compares with the last that counts."]
    found: list[ArtifactCreate] = []
    if difference is None:
        parts.append("It is the first one: there is none to compare it with.")
    else:
        parts += _changes(difference)
        found.append(table_artifact(key(KEY, "changes"), difference.table, f"Images against {difference.branch}"))
        what = f"Images and their embeddings against {difference.branch}"
        found.append(picture(key(KEY, "drift"), reduced(difference.picture), "image/jpeg", what))
    parts.append(f"Workspace: {code(root)}")
    return [markdown(key(KEY), "\n\n".join(parts), f"{text(name)}: {came}"), *found]


def _changes(found: Difference) -> list[str]:
    rows = [row for row in found.table if row["by"] in ("all", "source")]
    shown = [[row["name"], *(row[column] for column in COLUMNS)] for row in rows[:MOST_ROWS]]
    drift = found.summary["drift"]
    parts = [f"## Against {code(found.branch)}", table(("images", *COLUMNS), shown)]
    if drift is None:
        return [*parts, f"The drift is not measured: {text(found.summary['no_drift_because'])}"]
    return [
        *parts,
        "## Drift of the embeddings",
        table(("", "value"), [(name, f"{drift[name]:.6g}") for name in drift]),
    ]
