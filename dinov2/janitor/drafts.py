"""Files that were being written when their process died: `.NAME.DIGITS.part`, see `dinov2.storage.files`."""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dinov2.janitor.leftover import Leftover, Search
from dinov2.janitor.workspaces import TOOLS, measured
from dinov2.runs.names import FOLDER

KIND = "draft"
DRAFT = re.compile(r"\..+\.[0-9a-f]{32}\.part")
ELSEWHERE = ("var/dvc", "var/prefect", FOLDER)
"""Of other programs, or with a finder of their own."""


def find(search: Search) -> Iterator[Leftover]:
    """Those in the workspace and in a store that is a folder."""
    context = search.context
    places = [context.root, *([Path(context.store.base)] if context.store.is_local else [])]
    passed = {context.root / name for name in ELSEWHERE} | {context.root / name for name in TOOLS}
    found = {path.resolve(): path for place in places for path in _drafts(place, passed)}
    for path in found.values():
        size, written = measured(path)
        if search.old(written) and written:
            why = f"never finished; untouched for {search.ago(written)}"
            yield Leftover(KIND, str(path), why, size, partial(Path.unlink, path, missing_ok=True))


def _drafts(place: Path, passed: set[Path]) -> Iterator[Path]:
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if Path(folder) / name not in passed)
        yield from (Path(folder) / name for name in sorted(names) if DRAFT.fullmatch(name))
