"""Stage ingest: the files of all sources to a manifest of usable images."""

from dinov2.data.ingest import ingest
from dinov2.data.manifest import write_manifest, write_rows
from dinov2.stages.context import Context
from dinov2.stages.files import MANIFEST, REJECTS, metrics
from dinov2.storage import write_json


def run(context: Context) -> None:
    """Write the manifest, the rejects with the reason of each, and counts."""
    found = ingest(context.params.ingest, context.store, context.root)
    write_manifest(context.path(MANIFEST), found.manifest)
    write_rows(context.path(REJECTS), found.rejects)
    write_json(context.path(metrics("ingest")), found.metrics)
    print(f"{found.metrics['images']} images, {found.metrics['rejected']} files rejected")
