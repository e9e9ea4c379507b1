"""How torch.distributed.checkpoint reaches the store: its errors are plain, so that ranks can tell each other."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from torch.distributed.checkpoint._fsspec_filesystem import FileSystem, FsspecReader, FsspecWriter

from dinov2.errors import UnreachableError, UserError
from dinov2.storage import Store
from dinov2.training.checkpoints.ranks import in_one_line, waited_in_vain

T = TypeVar("T")


def _plain(method: Callable[..., T]) -> Callable[..., T]:
    """Raise all errors of `method` as plain ones: they are sent pickled, and a rank that cannot hangs the others."""

    @functools.wraps(method)
    def plain(*args: Any, **kwargs: Any) -> T:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            raise (UnreachableError if waited_in_vain(error) else UserError)(in_one_line(error)) from error

    return plain


def _files(store: Store) -> Any:
    """The store's own file system, which waits for a store that is away, in the middle of a file too."""
    files = FileSystem()
    files.fs = store.fs
    return files


class Writer(FsspecWriter):
    """Writes one file a rank and an index into a folder of the store."""

    def __init__(self, store: Store, folder: str) -> None:
        # Where a file cannot be synced, torch would sync the whole machine.
        super().__init__(store.url_of(folder), sync_files=store.is_local)
        self.fs = _files(store)

    prepare_local_plan = _plain(FsspecWriter.prepare_local_plan)
    write_data = _plain(FsspecWriter.write_data)
    finish = _plain(FsspecWriter.finish)


class Reader(FsspecReader):
    """Reads what `Writer` wrote, on any number of ranks."""

    def __init__(self, store: Store, folder: str) -> None:
        super().__init__(store.url_of(folder))
        self.fs = _files(store)

    read_metadata = _plain(FsspecReader.read_metadata)
    read_data = _plain(FsspecReader.read_data)
