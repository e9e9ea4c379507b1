"""Stage retrieve: the training set, from curated images and the images of the pool that are like them."""

import pyarrow.parquet as pq

from dinov2.curation.retrieval import retrieve
from dinov2.curation.vectors import read_vectors
from dinov2.data.manifest import read_manifest, write_rows
from dinov2.stages.context import Context
from dinov2.stages.files import CURATED, EMBEDDINGS, UNIQUE, metrics
from dinov2.storage import write_json


def run(context: Context) -> None:
    """Write the rows of the training set with the reason for each, and counts."""
    unique = read_manifest(context.path(UNIQUE)).sort_by("key")
    index = pq.read_table(context.path(EMBEDDINGS))
    vectors = read_vectors(index, "retrieval", unique["key"], context.store)
    chosen = retrieve(unique, vectors, context.params.retrieve, context.params.seed)
    write_rows(context.path(CURATED), chosen.table)
    write_json(context.path(metrics("retrieve")), chosen.metrics)
    if chosen.metrics["whole_pool"]:
        print("no curated source: the whole pool is the training set")
    print(f"{chosen.metrics['images']} training images, {chosen.metrics['from_pool']} of them from the pool")
