"""Where a URL or path leads, and bytes from there: a missing file is not a store that does not answer."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ParamValidationError
from fsspec.implementations.local import LocalFileSystem

from dinov2.errors import DataError
from dinov2.storage import locate_url, retried

T = TypeVar("T")
MAX_BYTES = 256 * 2**20
"""Files larger than this are no photographs; they are not read."""


def locate(uri: str, root: Path) -> tuple[Any, str]:
    """The fsspec file system of a URL, or of a path that is relative to `root`, and the path on it.

    Raises:
        DataError: the URL has a scheme that is not installed.
        ConfigError: it holds a password.
    """
    try:
        fs, path = locate_url(uri if "://" in uri else str(root / uri))
    except (ImportError, ValueError) as error:
        raise DataError(f"{uri}: {error}") from None
    return fs, path.rstrip("/")


def fetch(fs: Any, path: str, start: int | None = None, end: int | None = None) -> bytes:
    """Bytes `start` to `end` of a file; a remote file system that is away is waited for.

    Raises:
        OSError: the file cannot be read.
        UnreachableError: its file system stays away: no fault of the file.
        UserError: keys or bucket are wrong: no fault of the file either.
    """
    try:
        return asked(fs, path, lambda: fs.cat_file(path, start=start, end=end))
    except ParamValidationError:
        raise FileNotFoundError(errno.EINVAL, "not a valid name") from None


def asked(fs: Any, path: str, question: Callable[[], T]) -> T:
    """The answer of a file system to a question about `path`; a remote one that is away is waited for.

    Raises:
        OSError, UnreachableError, UserError: as `fetch`.
    """
    return question() if isinstance(fs, LocalFileSystem) else retried(question, fs.unstrip_protocol(path))


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
