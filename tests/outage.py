"""An S3 server that is away for a while."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import ObjectStore


@contextmanager
def away(server: ObjectStore, seconds: float) -> Iterator[None]:
    """The server is stopped, and started again after a while: the block's end waits for that."""
    server.stop()
    timer = threading.Timer(seconds, server.start)
    timer.start()
    try:
        yield
    finally:
        timer.join()
