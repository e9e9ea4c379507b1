"""Images of the manifest, read and checked, and work on many of them in threads, a little ahead of who takes it."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from typing import Any, TypeVar

from dinov2.data.config import SHARDS
from dinov2.data.images import Pixels, decode_rgb
from dinov2.data.sources import ImageReader, UnreadableError
from dinov2.errors import DataError, UnreachableError, UserError

T = TypeVar("T")
R = TypeVar("R")

Row = dict[str, Any]
"""A row of the manifest."""

AHEAD = 4


def _nothing(_: object) -> float:
    return 0.0


def in_batches(
    function: Callable[[T], R],
    items: Iterable[T],
    size: int,
    threads: int,
    ahead: int = AHEAD,
    weigh: Callable[[T], float] = _nothing,
    most: float = inf,
) -> Iterator[list[R]]:
    """What `function` makes of every item, in the order of `items`, a batch at a time.

    When an item fails, or no more batches are taken, what has not begun is given up.

    Args:
        function: called in threads.
        items: N of them; they are taken as far ahead as work goes.
        size: items in a batch; the last one may be smaller, and those of heavy items are.
        threads: that work at once.
        ahead: batches that may be under way or wait, beside the one that was given out last.
        weigh: what an item weighs, such as the memory that is made of it.
        most: that those batches weigh together; an item of more has a batch of its own, with no other beside it.

    Raises:
        Whatever `function` raises, once the batch of that item is due.
    """
    under_way: deque[tuple[float, list[Future[R]]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for weight, batch in _cut(items, size, weigh, most / (ahead + 1)):
            while under_way and sum(other for other, _ in under_way) + weight > most:
                yield _results(under_way.popleft()[1])
            under_way.append((weight, [pool.submit(function, item) for item in batch]))
            if len(under_way) > ahead:
                yield _results(under_way.popleft()[1])
        while under_way:
            yield _results(under_way.popleft()[1])
    finally:
        pool.shutdown(cancel_futures=True)


def _cut(
    items: Iterable[T], size: int, weigh: Callable[[T], float], heaviest: float
) -> Iterator[tuple[float, list[T]]]:
    """Batches with their weights: of `size` items, or of fewer so that none is heavier than `heaviest`."""
    batch: list[T] = []
    weight = 0.0
    for item in items:
        own = weigh(item)
        if batch and weight + own > heaviest:
            yield weight, batch
            batch, weight = [], 0.0
        batch.append(item)
        weight += own
        if len(batch) == size:
            yield weight, batch
            batch, weight = [], 0.0
    if batch:
        yield weight, batch


def _results(futures: list[Future[R]]) -> list[R]:
    return [future.result() for future in futures]


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
        DataError: it cannot be read, or is not any more what the manifest says; names the key, and the stage that
            mends it: ingest looks again at what was doubted, pack checks its shards.
    """
    try:
        data = reader.read(row["source"], row["uri"])
        if hashlib.sha256(data).hexdigest() == row["sha256"]:
            return data
        why = "its bytes are not those of the manifest any more"
    except UnreadableError as error:
        why = str(error)
    if row["source"] == SHARDS:
        raise DataError(f"{row['key']}: {why}; run `dvc repro -f pack`")
    try:
        reader.doubt(row["uri"], row["sha256"])
    except (UserError, UnreachableError) as error:
        raise DataError(f"{row['key']}: {why}; nor can the store note it for `dvc repro -f ingest`: {error}") from None
    raise DataError(f"{row['key']}: {why}; run `dvc repro -f ingest`, which looks at it again")


def read_sizes(reader: ImageReader, row: Row, sides: Collection[int]) -> dict[int, Pixels]:
    """One image, fetched once and decoded for each of `sides`; see `read_image`."""
    data = read_bytes(reader, row)
    try:
        return {side: decode_rgb(data, side) for side in sides}
    except DataError as error:
        raise DataError(f"{row['key']}: {error}") from None
