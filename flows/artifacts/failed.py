"""The page of a stage that failed."""

from prefect.client.schemas.actions import ArtifactCreate

from flows.artifacts.ended import Ended
from flows.artifacts.links import links
from flows.artifacts.markdown import block, bullets, text
from flows.artifacts.post import key, markdown
from flows.failure import TAIL_LINES, StageError, cut, headline


def failed(ended: Ended, error: StageError) -> list[ArtifactCreate]:
    """A page with the reason, of several processes as the first to fail gave it, and the last lines of the log."""
    why = headline(error.reason)
    title = f"{text(error.stage)}: {text(ended.outcome)}"
    parts = [f"# {title}", text(why), ended.took()]
    if error.reason:
        parts += ["## Why", block(cut(error.reason))]
    parts += ["## Last lines", block(cut(ended.said[-TAIL_LINES:]))]
    parts += ["## Links", bullets(links(ended.root, ended.stage, ended.said, ended.settings))]
    description = f"{title}{text(f': {why}' if why else '')}"
    return [markdown(key(ended.stage), "\n\n".join(filter(None, parts)), description)]
