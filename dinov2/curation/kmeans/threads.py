"""Blocks of work side by side, a thread each."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import faiss

A = TypeVar("A")
B = TypeVar("B")
AHEAD = 2
"""Items begun, or done and not asked for yet, beyond one for each thread: the rest of them takes no memory."""


def side_by_side(work: Callable[[A], B], items: Iterable[A], threads: int) -> Iterator[B]:
    """What `work` gives for each item, in order.

    Faiss spreads one search over its threads, which wait for each other at every tile; a search on each thread takes
    half the time.

    Args:
        work: runs in any thread, where faiss has one thread.
        items: of work.
        threads: T.
    """
    rest = iter(items)
    pool = ThreadPoolExecutor(threads, initializer=faiss.omp_set_num_threads, initargs=(1,))
    try:
        waiting = deque(pool.submit(work, item) for item in islice(rest, threads + AHEAD))
        while waiting:
            found = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
            yield found
    finally:
        pool.shutdown(cancel_futures=True)
