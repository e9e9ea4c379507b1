"""The sets of `evaluate.sets`: folders beside the sources, which a scan notes and an evaluation reads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dinov2.errors import ConfigError, DataError
from dinov2.evaluation.config import SetConfig
from dinov2.evaluation.sets import read_set
from dinov2.evaluation.sets.contents import contents, contents_digest
from dinov2.evaluation.sets.task import Task
from dinov2.stages.context import Context
from dinov2.stages.files import SETS
from dinov2.stages.params import PARAMS
from dinov2.storage import digest, write_json

SEEN = "sets"
"""Folder of the scratch with what scans found, so that the next one reads what is new."""


def note(context: Context, config: SetConfig) -> str:
    """What `dinov2 scan` writes of a set: the digest of its names, sizes and bytes.

    Raises:
        DataError: its folder is not there or empty, or a file cannot be read.
    """
    folder = folder_of(context, config)
    kept = context.scratch / SEEN / f"{digest(str(folder.resolve()))}.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    known = {name: (size, changed, sha256) for name, (size, changed, sha256) in known.items()}
    with _named(config):
        found = contents(folder, known, context.settings.threads_each)
    if found != known:
        write_json(kept, found)
    return contents_digest(found)


def noted(seen: Path, config: SetConfig) -> str:
    """What a scan wrote of a set into the file `seen`.

    Raises:
        ConfigError: no scan saw it.
    """
    found = json.loads(seen.read_text(encoding="utf-8")) if seen.is_file() else {}
    if config.name not in found:
        raise ConfigError(f"{PARAMS}: evaluate.sets: {config.name!r}: {SETS} does not know it; run `dinov2 scan`")
    return str(found[config.name])


def read(context: Context, config: SetConfig, seen: Path) -> Task:
    """The set as a task, under the name that params.yaml gives it, if a scan wrote of it into the file `seen`.

    Raises:
        ConfigError: no scan saw it.
        DataError: it cannot be read, or is laid out in none of the known ways.
    """
    noted(seen, config)
    with _named(config):
        return replace(read_set(folder_of(context, config), config.layout), name=config.name)


@contextmanager
def _named(config: SetConfig) -> Iterator[None]:
    """Say of which set it is that the block cannot read."""
    try:
        yield
    except DataError as error:
        raise DataError(f"evaluate.sets: {config.name}: {error}") from None


def folder_of(context: Context, config: SetConfig) -> Path:
    """Where it lies."""
    return context.root / Path(config.path).expanduser()
