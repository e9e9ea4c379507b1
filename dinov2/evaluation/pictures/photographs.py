"""Which images pictures are made of, and their pixels."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from dinov2.data.images import Pixels, center_crop, resize_shortest
from dinov2.data.sources import ImageReader
from dinov2.data.stream import Row, read_image
from dinov2.evaluation.datasets import LabelledSet
from dinov2.evaluation.features import Item
from dinov2.evaluation.pictures.galleries import spread
from dinov2.evaluation.pictures.tiles import LARGEST
from dinov2.evaluation.sets.video.frames import UndecodableError


def pictured(sets: Sequence[LabelledSet], manifest: pa.Table, count: int) -> list[Row]:
    """`count` images spread evenly over the test images of the first set, by class; with no set, over all images.

    One set only: a basis shared by alike images says most.
    """
    if not sets:
        return manifest.take(spread(len(manifest), count)).to_pylist()
    rows = sorted(sets[0].test, key=lambda row: (row["label"], row["key"]))
    return [rows[place] for place in spread(len(rows), count)]


def photographs(reader: ImageReader, rows: Sequence[Row], resolution: int) -> np.ndarray:
    """(N, resolution, resolution, 3) uint8: the centre of each image, as large as fits."""
    return centres((read_image(reader, row, resolution) for row in rows), resolution)


def pixels_of(item: Item, shortest: int = LARGEST) -> Pixels:
    """(H, W, 3) uint8 of an image, or of the first frame of a clip.

    Args:
        item: what to read.
        shortest: pixels that will do on the shortest side.

    Raises:
        DataError: it cannot be read.
    """
    found = item.read(shortest)
    if isinstance(found, UndecodableError):
        raise found
    return found[0]


def centres(images: Iterable[Pixels], resolution: int) -> np.ndarray:
    """The same of images that are read already."""
    return np.stack([center_crop(resize_shortest(image, resolution), resolution) for image in images])
