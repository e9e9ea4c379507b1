"""Files of a workspace in the store, each under the SHA-256 of its content."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from dinov2.errors import ConfigError, DataError
from dinov2.storage import Store, atomic_path, file_sha256

FOLDER = "jobs/blobs"
THREADS = 4
"""Files that are on their way at once: each waits for the store several times, and may hold 128 MiB in memory."""


def send(paths: Iterable[Path], root: Path, store: Store) -> dict[str, str]:
    """Put files of a workspace into the store, but those that are there; the SHA-256 of each by its name."""
    names = {relative(path, root): path for path in paths}
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(names, pool.map(lambda path: _send(path, store), names.values()), strict=True))


def _send(path: Path, store: Store) -> str:
    sha256 = file_sha256(path)
    if not store.exists(blob(sha256)):
        store.upload(path, blob(sha256), sha256)
    return sha256


def bring(files: Mapping[str, str], root: Path, store: Store) -> None:
    """Write files of these SHA-256 into a workspace, all or none; those that are as they should be stay.

    Raises:
        DataError: the store does not have one, or it is damaged; a damaged one is removed.
    """
    drafts: dict[str, Path] = {}
    with ExitStack() as stack, ThreadPoolExecutor(THREADS) as pool:
        for name, sha256 in files.items():
            path = root / name
            if not (path.is_file() and file_sha256(path) == sha256):
                drafts[name] = stack.enter_context(atomic_path(path))
        list(pool.map(lambda name: _bring(name, files[name], drafts[name], store), drafts))


def _bring(name: str, sha256: str, draft: Path, store: Store) -> None:
    try:
        store.download(blob(sha256), draft, sha256)
    except FileNotFoundError:
        raise DataError(f"{store.url_of(blob(sha256))}: not there, which should be {name}") from None
    except DataError:
        store.delete(blob(sha256))  # else `send` would leave it as it is
        raise


def relative(path: Path, root: Path) -> str:
    """A file's name in the workspace.

    Raises:
        ConfigError: it is not in it.
    """
    if not path.is_relative_to(root) or ".." in path.parts:
        raise ConfigError(f"{path}: not in {root}: jobs on a cluster are given files of the workspace alone")
    return path.relative_to(root).as_posix()


def blob(sha256: str) -> str:
    """The name that the store has a file's content under."""
    return f"{FOLDER}/{sha256}"
