"""The command `dinov2 scan`: what lies outside the graph, in small files that tell DVC when it has changed."""

import json
from collections.abc import Mapping
from pathlib import Path

from dinov2.data.places import listing
from dinov2.data.sources import open_source
from dinov2.stages import sets
from dinov2.stages.context import Context
from dinov2.stages.files import GIVEN, SETS, SOURCES
from dinov2.stages.given import note
from dinov2.storage import write_json


def run(context: Context) -> None:
    """Write what the sources hold, which weights are given, and what the sets in folders hold.

    Raises:
        DataError: a source or a set does not exist.
        ConfigError: a weights file does not exist.
        UserError: MLflow has no such model.
    """
    _sources(context)
    _weights(context)
    _sets(context)


def _weights(context: Context) -> None:
    """What each file and each registered model is that params.yaml names weights by, under the name it has there."""
    found = {name: note(context, key, name) for key, name in context.params.given.items()}
    _write_if_new(context.path(GIVEN), found)


def _sets(context: Context) -> None:
    """The digest of each set that params.yaml has under evaluate.sets, by its name."""
    _write_if_new(context.path(SETS), {each.name: sets.note(context, each) for each in context.params.evaluate.sets})


def _write_if_new(path: Path, found: Mapping[str, object]) -> None:
    """Leave a file that says the same alone."""
    if not path.is_file() or json.loads(path.read_text(encoding="utf-8")) != found:
        write_json(path, found)


def _sources(context: Context) -> None:
    """The digest of each source's listing by the source's name, unless the file says the same already."""
    path = context.path(SOURCES)
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {}
    for source in context.params.ingest.sources:
        with listing(source.name, source.uri):
            found[source.name] = open_source(source, context.store, context.root).listing_digest()
    if found != before:
        write_json(path, found)
    changed = sorted(name for name in found.keys() | before.keys() if found.get(name) != before.get(name))
    print(f"{len(found)} sources, changed: {', '.join(changed) or 'none'}")
