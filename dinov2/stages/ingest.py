"""Stage ingest: the files of all sources to a manifest of usable images."""

from dinov2.data.ingest import fill as look_ahead
from dinov2.data.ingest import ingest
from dinov2.data.sample import SAMPLE, make_sample
from dinov2.stages.context import Context
from dinov2.stages.curation_job import in_advance
from dinov2.stages.files import MANIFEST, REJECTS, metrics
from dinov2.storage import write_json


def run(context: Context) -> None:
    """Write the manifest, the rejects with the reason of each, and counts."""
    if any(source.uri.startswith(SAMPLE) for source in context.params.ingest.sources):
        make_sample(context.store)  # or every index of the job would
    in_advance(context, "ingest")
    manifest, rejects = context.path(MANIFEST), context.path(REJECTS)
    counts = ingest(context.params.ingest, context.store, context.root, context.scratch, manifest, rejects)
    write_json(context.path(metrics("ingest")), counts)
    print(f"{counts['images']} images, {counts['rejected']} files rejected")


def fill(context: Context, index: int, indexes: int) -> None:
    """Look at the files of one of the `indexes` of a job."""
    look_ahead(context.params.ingest, context.store, context.root, context.scratch, index, indexes)
