"""Features of images, computed once for each encoder, set and resolution, and kept in the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from safetensors.numpy import load, save

from dinov2.data.images import evaluation_side, evaluation_view
from dinov2.data.sources import ImageReader
from dinov2.data.stream import Row, in_batches, read_image
from dinov2.evaluation.encoder import Encoder, ImageFeatures
from dinov2.progress import Progress, progress
from dinov2.storage import Store, digest

Blob = dict[str, np.ndarray]
"""`ImageFeatures` as the store holds them."""

KINDS = ("cls", "patch")
VERSION = 1
"""Raised whenever the same images give other features."""
PART = 4096
"""Images in one blob of the store: what an interrupted run can lose."""
BATCH = 64


@dataclass(frozen=True)
class Extractor:
    """Reads images, shows them to an encoder, and keeps the features in the store.

    The store holds features/<digest>.safetensors, one for every 4096 images, named by the encoder, the resolution and
    the images' bytes, with its checksum beside it: an interrupted run goes on after the last whole part, equal images
    are never encoded twice, and a damaged part is made again.
    """

    reader: ImageReader
    store: Store
    threads: int

    def __call__(self, encoder: Encoder, rows: Sequence[Row], description: str) -> ImageFeatures:
        """Features of the images of `rows`, in their order; `description` is shown beside the progress.

        Raises:
            DataError: an image cannot be read, or is not what the manifest says.
        """
        parts = [rows[start : start + PART] for start in range(0, len(rows), PART)]
        kept = [self._kept(self._name(encoder, part)) for part in parts]
        blobs = [blob for blob in kept if blob]
        if len(blobs) < len(parts):
            done = sum(len(blob["cls"]) for blob in blobs)
            with progress(f"features, {description}", len(rows), done=done) as shown:
                blobs = [blob or self._encode(encoder, part, shown) for part, blob in zip(parts, kept, strict=True)]
        return ImageFeatures(*(np.concatenate([blob[kind] for blob in blobs]) for kind in KINDS))

    def _kept(self, name: str) -> Blob | None:
        data = self.store.read_checked(name)
        return None if data is None else load(data)

    def _encode(self, encoder: Encoder, rows: Sequence[Row], shown: Progress) -> Blob:
        """Features of one part, which are in the store then."""
        found = []
        for images in in_batches(partial(self._view, encoder.resolution), rows, BATCH, self.threads):
            found.append(encoder(np.stack(images)))
            shown.advance(len(images))
        blob = {kind: np.concatenate([getattr(each, kind) for each in found]) for kind in KINDS}
        self.store.write_checked(self._name(encoder, rows), save(blob))
        return blob

    def _view(self, resolution: int, row: Row) -> np.ndarray:
        return evaluation_view(read_image(self.reader, row, evaluation_side(resolution)), resolution)

    @staticmethod
    def _name(encoder: Encoder, rows: Sequence[Row]) -> str:
        images = [row["sha256"] for row in rows]
        return f"features/{digest(VERSION, encoder.digest, encoder.resolution, images)}.safetensors"
