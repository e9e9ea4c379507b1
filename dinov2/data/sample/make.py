"""The sample in the store: made on first use, whole or not at all, the same bytes every time.

sample/<identity>/pool/<name>.jpg
sample/<identity>/curated/<class>/<name>.jpg
sample/<identity>/labelled/<class>/<name>.jpg
sample/<identity>/masks/<class>/<name>.png      8 bits: 0, or 1 + the number of the class in photographs.CLASSES
sample/<identity>/depth/<class>/<name>.png      16 bits: millimetres
sample/<identity>/truth.parquet                 written last: where it is, all is
"""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import default_rng
from numpy.typing import NDArray

from dinov2.data.sample.broken import BROKEN
from dinov2.data.sample.edits import EDITS, to_jpeg
from dinov2.data.sample.plan import Planned, identity, plan
from dinov2.data.sample.scene import compose
from dinov2.progress import track
from dinov2.storage import Store

THREADS = 4
TRUTH = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("set", "file")]
    + [pa.field(name, pa.string()) for name in ("label", "duplicate_of", "edit", "reason")]
)
"""One row a file, as `plan.Planned`."""


def make_sample(store: Store) -> str:
    """Make the sample unless the store has it, and return the name of its folder there."""
    folder = f"sample/{identity()}"
    if store.exists(f"{folder}/truth.parquet"):
        return folder

    def write(item: Planned) -> None:
        for name, data in _files(item):
            store.write(f"{folder}/{name}", data)

    planned = plan()
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in track(threads.map(write, planned), "built-in sample", len(planned)):
            pass
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([vars(item) for item in planned], TRUTH), file)
    store.write(f"{folder}/truth.parquet", file.getvalue())
    return folder


def truth(store: Store) -> pa.Table:
    """What is known about every file of the sample, of type `TRUTH`; the sample is made if it is not there.

    `label`: class of the object, null for none. `duplicate_of`: `<set>/<file>` of the original of a copy, `edit` what
    was done to it. `reason`: why ingestion must reject the file, null for a usable one.
    """
    return pq.read_table(io.BytesIO(store.read(f"{make_sample(store)}/truth.parquet")))


def _files(item: Planned) -> Iterator[tuple[str, bytes]]:
    scene = compose(default_rng(item.scene), item.label, clean=item.set == "curated")
    place = f"{item.set}/{item.file}"
    if item.reason:
        yield place, BROKEN[item.reason][1](scene.pixels)
    elif item.edit:
        yield place, EDITS[item.edit](to_jpeg(scene.pixels), default_rng((*item.scene, *place.encode())))
    else:
        yield place, to_jpeg(scene.pixels)
    if item.set == "labelled":
        png = PurePosixPath(item.file).with_suffix(".png")
        yield f"masks/{png}", _png(scene.mask)
        yield f"depth/{png}", _png(scene.depth)


def _png(values: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()
