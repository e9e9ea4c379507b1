"""What pretrain, highres and distill learn from, and where they read it."""

import pyarrow as pa

from dinov2.data.manifest import read_manifest
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.storage import file_sha256


def training_images(context: Context) -> tuple[pa.Table, str]:
    """Rows of the training images, in order of key, and a digest of which images they are.

    The digest is that of the curated manifest: where the images are read, in place or from shards, is not part of it.
    """
    place = files.PACKED if context.params.pack.write else files.CURATED
    return read_manifest(context.path(place)), file_sha256(context.path(files.CURATED))
