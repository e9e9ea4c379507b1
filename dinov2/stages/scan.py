"""The command `dinov2 scan`: what the sources hold, in one small file that tells DVC when to ingest again."""

import json

from dinov2.data.places import listing
from dinov2.data.sources import open_source
from dinov2.stages.context import Context
from dinov2.stages.files import SOURCES
from dinov2.storage import write_json


def run(context: Context) -> None:
    """Write the digest of each source's listing by the source's name, unless the file says the same already.

    Raises:
        DataError: a source does not exist.
    """
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
