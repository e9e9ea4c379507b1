"""A set of the built-in sample as a source."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from threading import Lock

from dinov2.data.config import SourceConfig
from dinov2.data.entries import Entry
from dinov2.data.folder import FolderSource
from dinov2.data.sample.make import make_sample
from dinov2.data.sample.plan import SETS, identity
from dinov2.errors import DataError
from dinov2.storage import Store

SAMPLE = "sample:"
"""How the URI of a set of the sample begins."""


class SampleSource:
    """`sample:pool`, `sample:curated` or `sample:labelled`: a folder in the store, made on first use."""

    wrapped = False

    def __init__(self, config: SourceConfig, store: Store, root: Path) -> None:
        self._config, self._store, self._root = config, store, root
        self._set = config.uri.removeprefix(SAMPLE)
        self._lock = Lock()
        if self._set not in SETS:
            allowed = ", ".join(f"{SAMPLE}{name}" for name in SETS)
            raise DataError(f"source {config.name}: {config.uri}: no such set of the sample; allowed: {allowed}")

    def entries(self) -> Iterator[Entry]:
        """Its files; the sample is made if the store does not have it."""
        return self._opened().entries()

    def read(self, uri: str) -> bytes:
        """The bytes of a file."""
        return self._opened().read(uri)

    def listing_digest(self) -> str:
        """The sample's identity: it needs no sample to be made."""
        return identity()

    def _opened(self) -> FolderSource:
        with self._lock:
            return self._folder

    @cached_property
    def _folder(self) -> FolderSource:
        uri = self._store.url_of(f"{make_sample(self._store)}/{self._set}")
        return FolderSource(self._config.model_copy(update={"uri": uri}), self._store, self._root)
