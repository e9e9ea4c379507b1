"""A Parquet list of URLs, as web crawls are handed on."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.data.config import SourceConfig
from dinov2.data.download import download, is_remote
from dinov2.data.entries import Entry
from dinov2.data.places import fetch, locate
from dinov2.errors import DataError
from dinov2.storage import Store


class UrlListSource:
    """Rows of a Parquet file with a column `url` and optionally `label`. A row's uri is its URL.

    What lies elsewhere is downloaded once, into the store under `images/`, by the digest of its URL: what a URL gave
    when it was taken in is what later stages see. Paths, as opposed to URLs, start from the list's folder.
    """

    def __init__(self, config: SourceConfig, store: Store, root: Path) -> None:
        self._name, self._uri, self._store = config.name, config.uri, store
        self._fs, self._path = locate(config.uri, root)
        self._folder = self._path.rpartition("/")[0]

    def entries(self) -> Iterator[Entry]:
        """One for each row; a row without URL is a faulty one."""
        try:
            file = pq.ParquetFile(pa.BufferReader(self._bytes()))
        except pa.ArrowInvalid as error:
            raise DataError(f"source {self._name}: {self._uri}: not a Parquet file: {error}") from None
        names = file.schema_arrow.names
        if "url" not in names:
            raise DataError(f"source {self._name}: {self._uri}: has columns {names}, but none is called 'url'")
        number = 0
        for batch in file.iter_batches(columns=[name for name in ("url", "label") if name in names]):
            for row in batch.to_pylist():
                yield _entry(number, row["url"], row.get("label"))
                number += 1

    def read(self, uri: str) -> bytes:
        """The bytes of an image, from the store if they are there."""
        if uri.startswith("file://"):
            return fetch(*locate(uri, Path()))
        if not is_remote(uri):
            return fetch(self._fs, uri if uri.startswith("/") else f"{self._folder}/{uri}")
        name = hashlib.sha256(uri.encode()).hexdigest()
        blob = f"images/{name[:2]}/{name}"
        try:
            return self._store.read(blob)
        except FileNotFoundError:
            data = download(uri)
            self._store.write(blob, data)
            return data

    def listing_digest(self) -> str:
        """Digest of the list's bytes."""
        return hashlib.sha256(self._bytes()).hexdigest()[:16]

    def _bytes(self) -> bytes:
        try:
            return fetch(self._fs, self._path)
        except FileNotFoundError:
            raise DataError(f"source {self._name}: {self._uri}: no such file") from None


def _entry(number: int, url: str | None, label: object) -> Entry:
    if not url:
        return Entry(f"row {number}", f"row {number}", fault="the row has no url")
    return Entry(url, url, None if label is None else str(label))
