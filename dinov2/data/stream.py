"""Images of the manifest, read and checked, and work on many of them in threads, a little ahead of who takes it."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from dinov2.data.config import SHARDS
from dinov2.data.images import Pixels, decode_rgb
from dinov2.data.sources import ImageReader
from dinov2.errors import DataError

T = TypeVar("T")
R = TypeVar("R")

Row = dict[str, Any]
"""A row of the manifest."""

AHEAD = 4


def in_batches(
    function: Callable[[T], R], items: Iterable[T], size: int, threads: int, ahead: int = AHEAD
) -> Iterator[list[R]]:
    """What `function` makes of every item, in the order of `items`, a batch at a time.

    When an item fails, or no more batches are taken, what has not begun is given up.

    Args:
        function: called in threads.
        items: N of them; they are taken as far ahead as work goes.
        size: items in a batch; the last one may be smaller.
        threads: that work at once.
        ahead: batches that may be under way or wait, beside the one that was given out last.

    Raises:
        Whatever `function` raises, once the batch of that item is due.
    """
    under_way: deque[list[Future[R]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        waiting = iter(items)
        while batch := list(islice(waiting, size)):
            under_way.append([pool.submit(function, item) for item in batch])
            if len(under_way) > ahead:
                yield [future.result() for future in under_way.popleft()]
        while under_way:
            yield [future.result() for future in under_way.popleft()]
    finally:
        pool.shutdown(cancel_futures=True)


def read_image(reader: ImageReader, row: Row, shortest: int) -> Pixels:
    """(H, W, 3) uint8: an image of the manifest, with at least `shortest` pixels on its shortest side if it has them.

    Args:
        reader: fetches its bytes.
        row: its `key`, `source`, `uri` and `sha256`.
        shortest: see `decode_rgb`.

    Raises:
        DataError: it cannot be read, or is not any more what the manifest says; names the key.
    """
    return read_sizes(reader, row, (shortest,))[shortest]


def read_bytes(reader: ImageReader, row: Row) -> bytes:
    """The bytes of an image of the manifest.

    Raises:
        DataError: it cannot be read, or is not any more what the manifest says; names the key.
    """
    data = reader.read(row["source"], row["uri"])
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        remedy = "pack" if row["source"] == SHARDS else "ingest"
        raise DataError(f"{row['key']}: its bytes are not those of the manifest any more; run `dvc repro -f {remedy}`")
    return data


def read_sizes(reader: ImageReader, row: Row, sides: Collection[int]) -> dict[int, Pixels]:
    """One image, fetched once and decoded for each of `sides`; see `read_image`."""
    data = read_bytes(reader, row)
    try:
        return {side: decode_rgb(data, side) for side in sides}
    except DataError as error:
        raise DataError(f"{row['key']}: {error}") from None
