"""Where a URL or path leads, and bytes from there: a missing file is not a store that does not answer."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from botocore.exceptions import BotoCoreError, ParamValidationError
from fsspec.implementations.local import LocalFileSystem

from dinov2.errors import DataError
from dinov2.storage import retried

MAX_BYTES = 256 * 2**20
"""Files larger than this are no photographs; they are not read."""


def locate(uri: str, root: Path) -> tuple[Any, str]:
    """The fsspec file system of a URL, or of a path that is relative to `root`, and the path on it.

    Raises:
        DataError: the URL has a scheme that is not installed.
    """
    try:
        fs, path = fsspec.core.url_to_fs(uri if "://" in uri else str(root / uri))
    except (ImportError, ValueError) as error:
        raise DataError(f"{uri}: {error}") from None
    return fs, str(path).rstrip("/")


def fetch(fs: Any, path: str, start: int | None = None, end: int | None = None) -> bytes:
    """Bytes `start` to `end` of a file; a remote one is tried again after an error of the network.

    Raises:
        OSError: the file cannot be read.
        DataError: its file system cannot be reached: no fault of the file.
    """
    if isinstance(fs, LocalFileSystem):
        return fs.cat_file(path, start, end)
    try:
        return retried(lambda: _fetch_remote(fs, path, start, end))
    except (ConnectionError, TimeoutError) as error:
        raise DataError(f"{path}: cannot be reached: {error}") from None


def _fetch_remote(fs: Any, path: str, start: int | None, end: int | None) -> bytes:
    try:
        return fs.cat_file(path, start, end)
    except ParamValidationError:
        raise FileNotFoundError(errno.EINVAL, "not a valid name") from None
    except BotoCoreError as error:
        raise ConnectionError(str(error)) from None


@contextmanager
def listing(name: str, uri: str) -> Iterator[None]:
    """What goes wrong while a source is listed is said of the source.

    Raises:
        DataError: the source is not reachable, or not for this user.
    """
    try:
        yield
    except (OSError, BotoCoreError) as error:
        raise DataError(f"source {name}: {uri}: cannot be listed: {error}") from None
