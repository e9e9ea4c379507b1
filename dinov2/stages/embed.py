"""Stage embed: a vector of every image for finding its copies, and one for finding its like."""

import pyarrow.parquet as pq

from dinov2.curation.descriptors import create_descriptor
from dinov2.curation.embed import INDEX, Embedder
from dinov2.data.manifest import read_manifest
from dinov2.stages.context import Context
from dinov2.stages.files import EMBEDDINGS, MANIFEST
from dinov2.storage import atomic_path


def run(context: Context) -> None:
    """Vectors go to the store, their index to data/embeddings.parquet."""
    config = context.params.embed
    descriptors = {
        "copy": create_descriptor(config.copy_, context.root, context.device),
        "retrieval": create_descriptor(config.retrieval, context.root, context.device),
    }
    embedder = Embedder(context.reader, context.store, config.shard_size, context.settings.threads_each)
    manifest = read_manifest(context.path(MANIFEST))
    with atomic_path(context.path(EMBEDDINGS)) as draft, pq.ParquetWriter(draft, INDEX, compression="zstd") as file:
        for part in embedder(manifest, descriptors):
            file.write_table(part)
