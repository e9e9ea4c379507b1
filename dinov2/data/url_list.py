"""A Parquet list of URLs, as web crawls are handed on."""

import errno
import hashlib
import os
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from dinov2.data.config import SourceConfig
from dinov2.data.download import download, is_remote
from dinov2.data.entries import Entry
from dinov2.data.places import fetch, locate
from dinov2.errors import DataError
from dinov2.storage import Store

TEXT = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_null,
)  # fmt: skip
"""Types of columns that may hold text: not every writer of Parquet says that its bytes are UTF-8."""

WEB = ("http://", "https://")


class UrlListSource:
    """Rows of a Parquet file with a column `url` and optionally `label`. A row's uri is its URL.

    What lies elsewhere is downloaded once, into the store, as `downloaded` says: what a URL gave when it was taken in
    is what later stages see. Paths, as opposed to URLs, start from the list's folder; those of another machine are
    taken to stay as they are. A list from elsewhere may be a stranger's: its rows lead to no file of this machine.
    """

    wrapped = False

    def __init__(self, config: SourceConfig, store: Store, root: Path) -> None:
        self._name, self._uri, self._store = config.name, config.uri, store
        self._fs, self._path = locate(config.uri, root)
        self._folder = self._path.rpartition("/")[0]
        self._allowed = (*WEB, "s3://", f"{config.uri.partition('://')[0]}://")

    def entries(self) -> Iterator[Entry]:
        """One for each row; a row without URL is a faulty one."""
        number = 0
        with self._open() as opened:
            try:
                file = pq.ParquetFile(opened)
            except pa.ArrowInvalid as error:
                raise DataError(f"source {self._name}: {self._uri}: not a Parquet file: {error}") from None
            names = file.schema_arrow.names
            if "url" not in names:
                raise DataError(f"source {self._name}: {self._uri}: has columns {names}, but none is called 'url'")
            if not _is_text(kind := file.schema_arrow.field("url").type):
                raise DataError(f"source {self._name}: {self._uri}: column 'url' holds {kind}, not text")
            for batch in file.iter_batches(columns=[name for name in ("url", "label") if name in names]):
                labels = _values(batch["label"]) if "label" in names else repeat(None)
                for url, label in zip(_values(batch["url"]), labels):  # noqa: B905 repeat never ends
                    yield self._entry(number, url, label)
                    number += 1

    def read(self, uri: str) -> bytes:
        """The bytes of an image, from the store if they are there."""
        if self._is_foreign(uri):
            raise FileNotFoundError(errno.EPERM, f"a list from elsewhere names only {', '.join(self._allowed)}")
        if not is_remote(uri):
            try:
                return fetch(*self._place(uri))
            except ValueError:
                raise FileNotFoundError(errno.EINVAL, "not a path") from None
        blob = downloaded(uri)
        try:
            return self._store.read(blob)
        except FileNotFoundError:
            data = download(uri)
            self._store.write(blob, data)
            return data

    def listing_digest(self) -> str:
        """Digest of the list's bytes."""
        with self._open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    def _open(self) -> Any:
        try:
            return self._fs.open(self._path, "rb")
        except FileNotFoundError:
            raise DataError(f"source {self._name}: {self._uri}: no such file") from None

    def _entry(self, number: int, url: str | None, label: object) -> Entry:
        if not url:
            return Entry(f"row {number}", f"row {number}", fault="the row has no url")
        return Entry(url, url, None if label is None else str(label), version=self._version(url))

    def _version(self, url: str) -> str:
        """The time of a file of this machine; nothing of what lies elsewhere, which would have to be asked for."""
        if is_remote(url) or self._is_foreign(url):
            return ""
        fs, path = self._place(url)
        try:
            return str(os.stat(path).st_mtime_ns) if isinstance(fs, LocalFileSystem) else ""  # noqa: PTH116
        except (OSError, ValueError):
            return ""  # reading it says why

    def _is_foreign(self, url: str) -> bool:
        """Whether it is a URL that a list from elsewhere may not hold; a chain, as in a::b, ends anywhere."""
        if isinstance(self._fs, LocalFileSystem) or not ("://" in url or "::" in url):
            return False
        return not url.lower().startswith(self._allowed) or ("::" in url and not url.lower().startswith(WEB))

    def _place(self, uri: str) -> tuple[Any, str]:
        """The file system and path of what is not downloaded."""
        if uri.startswith("file://"):
            return locate(uri, Path())
        return self._fs, uri if uri.startswith("/") else f"{self._folder}/{uri}"


def downloaded(url: str) -> str:
    """The blob of the store that what a URL gave is kept in; without it, the URL is asked again."""
    name = hashlib.sha256(url.encode()).hexdigest()
    return f"images/{name[:2]}/{name}"


def _is_text(kind: pa.DataType) -> bool:
    own = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_such(own) for is_such in TEXT)


def _values(column: pa.Array) -> list[Any]:
    """What a column holds; bytes of a text that are not UTF-8 as lone surrogates, like those of the names of files."""
    if not _is_text(column.type):
        return column.to_pylist()
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    texts = plain.cast(pa.large_binary()).to_pylist()
    return [None if text is None else text.decode("utf-8", "surrogateescape") for text in texts]
