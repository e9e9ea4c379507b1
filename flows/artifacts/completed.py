"""The page of a stage that went well."""

from typing import Any

from prefect.client.schemas.actions import ArtifactCreate

from flows.artifacts.ended import Ended
from flows.artifacts.figures import content, flat, readable
from flows.artifacts.links import links
from flows.artifacts.markdown import bullets, table, text
from flows.artifacts.pictures import pictures
from flows.artifacts.post import key, markdown
from flows.artifacts.post import table as table_artifact
from flows.artifacts.tables import Table, tables

MOST_ROWS = 40
"""Of a table within the page."""


def completed(ended: Ended) -> list[ArtifactCreate]:
    """A page with the stage's numbers, time, cost and links, its tables, and its pictures."""
    found = content(ended.root, ended.stage)
    own = tables(ended.stage, found)
    covered = {each.covers for each in own}
    numbers = [(name, readable(value)) for name, value in flat({k: v for k, v in found.items() if k not in covered})]
    title = f"{text(ended.stage)}: {text(ended.outcome)}"
    parts = [f"# {title}", ended.took()]
    if numbers:
        parts += ["## Numbers", table(("", "value"), numbers[:MOST_ROWS]), _more(len(numbers))]
    for each in own:
        parts += [f"## {text(each.description)}", _within(each), _more(len(each.rows))]
    parts += ["## Links", bullets(links(ended.root, ended.stage, ended.said, ended.settings))]
    page = markdown(key(ended.stage), "\n\n".join(filter(None, parts)), title)
    separate = [table_artifact(key(ended.stage, each.name), each.rows, each.description) for each in own]
    return [page, *separate, *pictures(ended.root, ended.stage)]


def _within(own: Table) -> str:
    return table(list(own.rows[0]), [[_cell(value) for value in row.values()] for row in own.rows[:MOST_ROWS]])


def _cell(value: Any) -> str:
    """A value of a table, whose fractions are rounded already."""
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _more(count: int) -> str:
    return f"… and {count - MOST_ROWS} more" if count > MOST_ROWS else ""
