"""Stage deduplicate: copies out of the training images."""

import pyarrow.parquet as pq

from dinov2.curation.deduplicate import deduplicate
from dinov2.curation.vectors import read_vectors
from dinov2.data.manifest import read_manifest, write_manifest, write_rows
from dinov2.stages.context import Context
from dinov2.stages.files import DUPLICATES, EMBEDDINGS, MANIFEST, UNIQUE, metrics
from dinov2.storage import write_json


def run(context: Context) -> None:
    """Write the rows of the manifest that are kept, those that are not with the reason, and counts."""
    manifest = read_manifest(context.path(MANIFEST)).sort_by("key")
    index = pq.read_table(context.path(EMBEDDINGS))
    vectors = read_vectors(index, "copy", manifest["key"], context.store)
    found = deduplicate(manifest, vectors, context.params.deduplicate)
    write_manifest(context.path(UNIQUE), found.unique)
    write_rows(context.path(DUPLICATES), found.duplicates)
    write_json(context.path(metrics("deduplicate")), found.metrics)
    print(f"{found.metrics['kept']} of {found.metrics['images']} training images kept")
