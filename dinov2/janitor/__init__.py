"""What nobody needs any more, found and removed. A new kind of leftover is one file and one line here."""

import sys

from rich.console import Console

from dinov2.janitor import checkpoints, clones, drafts, exchange, jobs, notes, refs, reproductions, scratch
from dinov2.janitor.leftover import Finder, Leftover, Search
from dinov2.janitor.tidy import look, remove, show
from dinov2.stages.context import Context
from dinov2.storage import write_json

__all__ = ["FINDERS", "Leftover", "Search", "clean"]

FINDERS: dict[str, Finder] = {
    clones.KIND: clones.find,
    scratch.KIND: scratch.find,
    drafts.KIND: drafts.find,
    notes.KIND: notes.find,
    refs.KIND: refs.find,
    checkpoints.KIND: checkpoints.find,
    reproductions.KIND: reproductions.find,
    exchange.KIND: exchange.find,
    jobs.KIND: jobs.find,
}
WIDTH = 160
"""Of what is not printed on a terminal."""


def clean(context: Context, delete: bool, days: float, to: str | None = None) -> bool:
    """Look for leftovers of every kind, tell, and remove them if asked to.

    Args:
        context: the workspace.
        delete: remove them.
        days: what was written to within so many days is left alone.
        to: a file, which gets all of it as JSON.

    Returns:
        Whether all went well.
    """
    console = Console(width=None if sys.stdout.isatty() else WIDTH, markup=False, emoji=False, highlight=False)
    told = look(Search(context, days), FINDERS)
    show(told, console)
    if delete:
        remove(told, console.print)
    console.print(told.outcome)
    if to:
        write_json(context.path(to), told.as_json())
    return not told.failures
