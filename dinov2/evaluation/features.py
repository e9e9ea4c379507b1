"""Features of images, computed once for each encoder, set and resolution, and kept in the store."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from dinov2.data.images import center_crop, decode_rgb, resize_shortest
from dinov2.data.sources import ImageReader
from dinov2.errors import DataError
from dinov2.evaluation.encoder import Encoder, ImageFeatures
from dinov2.progress import Progress, progress
from dinov2.storage import Store, digest

Row = dict[str, Any]
"""A row of the manifest."""

PART = 4096
"""Images in one blob of the store: what an interrupted run can lose."""
BATCH = 64
BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Extractor:
    """Reads images, shows them to an encoder, and keeps the features in the store.

    The store holds features/<digest>.safetensors, one for every 4096 images, named by the encoder, the resolution and
    the images' bytes: an interrupted run goes on after the last whole part, and equal images are never encoded twice.
    """

    reader: ImageReader
    store: Store
    threads: int

    def __call__(self, encoder: Encoder, rows: Sequence[Row], description: str) -> ImageFeatures:
        """Features of the images of `rows`, in their order; `description` is shown beside the progress."""
        parts = [rows[start : start + PART] for start in range(0, len(rows), PART)]
        names = [self._name(encoder, part) for part in parts]
        missing = [not self.store.exists(name) for name in names]
        if any(missing):
            done = sum(len(part) for part, absent in zip(parts, missing, strict=True) if not absent)
            with progress(f"features, {description}", len(rows), done=done) as shown:
                for part, name, absent in zip(parts, names, missing, strict=True):
                    if absent:
                        self.store.write(name, self._encode(encoder, part, shown))
        kept = [load(self.store.read(name)) for name in names]
        return ImageFeatures(*(np.concatenate([blob[kind] for blob in kept]) for kind in ("cls", "patch")))

    def views(self, rows: Sequence[Row], resolution: int) -> Iterator[np.ndarray]:
        """Batches (B, resolution, resolution, 3) uint8 of the images, decoded by threads a little ahead.

        Shortest side to resolution × 256 / 224, then the centre, as is usual in classification.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            ahead: deque[list[Future[np.ndarray]]] = deque()
            for start in range(0, len(rows), BATCH):
                ahead.append([pool.submit(self._view, row, resolution) for row in rows[start : start + BATCH]])
                if len(ahead) > BATCHES_AHEAD:
                    yield np.stack([future.result() for future in ahead.popleft()])
            while ahead:
                yield np.stack([future.result() for future in ahead.popleft()])

    def _encode(self, encoder: Encoder, rows: Sequence[Row], shown: Progress) -> bytes:
        found = []
        for images in self.views(rows, encoder.resolution):
            found.append(encoder(images))
            shown.advance(len(images))
        return save({kind: np.concatenate([getattr(each, kind) for each in found]) for kind in ("cls", "patch")})

    def _view(self, row: Row, resolution: int) -> np.ndarray:
        side = round(resolution * 256 / 224)
        return center_view(read_image(self.reader, row, side), side, resolution)

    @staticmethod
    def _name(encoder: Encoder, rows: Sequence[Row]) -> str:
        images = [row["sha256"] for row in rows]
        return f"features/{digest(encoder.digest, encoder.resolution, images)}.safetensors"


def read_image(reader: ImageReader, row: Row, shortest: int) -> np.ndarray:
    """(H, W, 3) uint8: an image of the manifest, with at least `shortest` pixels on its shortest side if it has them.

    Raises:
        DataError: it cannot be read, or is not any more what the manifest says.
    """
    data = reader.read(row["source"], row["uri"])
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        raise DataError(f"{row['key']}: its bytes are not those of the manifest any more; run `dvc repro -f ingest`")
    return decode_rgb(data, shortest)


def center_view(image: np.ndarray, side: int, resolution: int) -> np.ndarray:
    """(resolution, resolution, 3) uint8: the shortest side brought to `side`, then the centre."""
    return center_crop(resize_shortest(image, side), resolution)
