"""The kinds of sources, and the reader that loader processes hold."""

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from dinov2.data.config import IngestConfig, Role, SourceConfig
from dinov2.data.doubts import doubt
from dinov2.data.entries import Entry, Source
from dinov2.data.folder import FolderSource
from dinov2.data.sample import SampleSource
from dinov2.data.tar import TarSource
from dinov2.data.url_list import UrlListSource
from dinov2.errors import DataError
from dinov2.storage import Store

__all__ = ["Entry", "ImageReader", "IngestConfig", "Role", "Source", "SourceConfig", "open_source"]

KINDS: dict[str, Callable[[SourceConfig, Store, Path], Source]] = {
    "sample:*": SampleSource,
    "*.tar": TarSource,
    "*.parquet": UrlListSource,
    "*": FolderSource,
}
"""Patterns of a source's uri to its kind; the first that matches counts."""


def open_source(config: SourceConfig, store: Store, root: Path) -> Source:
    """The source that `config` describes.

    Args:
        config: its name and uri.
        store: where the built-in sample and downloaded images lie.
        root: the workspace, which relative paths start from.

    Raises:
        DataError: its uri cannot be understood; that there is nothing behind it shows when it is listed.
    """
    kind = next(kind for pattern, kind in KINDS.items() if fnmatchcase(config.uri, pattern))
    return kind(config, store, root)


STORED = "store::"
"""What the uri of an image begins with that lies in the store in place of its source's: a blob's name follows."""


class UnreadableError(DataError):
    """A source, or the store, does not give the bytes of an image."""


class ImageReader:
    """Reads images by (source, uri), as the manifest names them. Thread-safe; can be sent to other processes."""

    def __init__(self, sources: Sequence[SourceConfig], store: Store, root: Path) -> None:
        self._configs = {source.name: source for source in sources}
        self._store, self._root = store, root
        self._opened: dict[tuple[int, str], Source] = {}

    def read(self, source: str, uri: str) -> bytes:
        """The bytes of one image.

        Raises:
            DataError: there is no such source.
            UnreadableError: it cannot be read.
            UserError: the keys of its store are wrong.
            UnreachableError: its store stays away.
        """
        # Connections to remote stores do not survive a fork, so each process opens sources of its own.
        here = (os.getpid(), source)
        if here not in self._opened:
            if source not in self._configs:
                raise DataError(f"the manifest names source {source!r}; params.yaml has {sorted(self._configs)}")
            self._opened[here] = open_source(self._configs[source], self._store, self._root)
        try:
            if uri.startswith(STORED):
                return self._store.read(uri.removeprefix(STORED))
            return self._opened[here].read(uri)
        except OSError as error:
            raise UnreadableError(f"source {source}: cannot read {uri}: {error}") from None

    def doubt(self, uri: str, sha256: str) -> None:
        """Have ingest look again at an image that is not any more what the manifest says; see `doubts.doubt`."""
        doubt(self._store, uri, sha256)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_opened": {}}
