"""A folder tree of image files, here or behind any fsspec URL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dinov2.data.config import SourceConfig
from dinov2.data.entries import Entry, from_folders, is_candidate, listing_digest
from dinov2.data.places import fetch, locate
from dinov2.errors import DataError
from dinov2.storage import Store


class FolderSource:
    """Every file below a folder. A file's uri is its path relative to the folder."""

    def __init__(self, config: SourceConfig, _: Store, root: Path) -> None:
        self._name, self._uri = config.name, config.uri
        self._fs, self._base = locate(config.uri, root)

    def entries(self) -> Iterator[Entry]:
        """Files that are meant to be images; folders tell their labels and splits."""
        return from_folders((path, path, info["size"] or 0) for path, info in self._listing())

    def read(self, uri: str) -> bytes:
        """The bytes of a file."""
        return fetch(self._fs, f"{self._base}/{uri}")

    def listing_digest(self) -> str:
        """Digest of paths, sizes and entity tags."""
        return listing_digest(self._listing())

    def _listing(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if not self._fs.isdir(self._base):
            what = "is a file" if self._fs.exists(self._base) else "does not exist"
            raise DataError(
                f"source {self._name}: {self._uri} {what}; a source is a folder, *.tar shards, a .parquet list of "
                "URLs, the URL of a folder or sample:pool, sample:curated, sample:labelled"
            )
        for path, info in self._fs.find(self._base, detail=True).items():
            relative = str(path)[len(self._base) + 1 :]
            if is_candidate(relative):
                yield relative, info
