"""A folder tree of image files, here or behind any fsspec URL."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from dinov2.data.config import SourceConfig
from dinov2.data.entries import Entry, is_candidate, listing_digest, version_of
from dinov2.data.places import asked, fetch, locate
from dinov2.errors import DataError
from dinov2.storage import Store


class FolderSource:
    """Every file below a folder. A file's uri is its path relative to the folder.

    Local folders are listed one at a time; the listing of a remote one is held in memory by fsspec, about a kilobyte a
    file: pools of many millions are better kept as tar shards or as a list.
    """

    wrapped = False

    def __init__(self, config: SourceConfig, _: Store, root: Path) -> None:
        self._name, self._uri = config.name, config.uri
        self._fs, self._base = locate(config.uri, root)

    def entries(self) -> Iterator[Entry]:
        """Files that are meant to be images; folders tell their labels and splits."""
        for path, info in self._listing():
            fault = "" if info["type"] == "file" else "no regular file; links to folders are not followed"
            yield Entry(path, path, None, info["size"] or 0, path, fault, version_of(info))

    def read(self, uri: str) -> bytes:
        """The bytes of a file."""
        return fetch(self._fs, f"{self._base}/{uri}")

    def listing_digest(self) -> str:
        """Digest of paths, sizes and entity tags."""
        return listing_digest(self._listing())

    def _listing(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if not asked(self._fs, self._base, lambda: self._fs.isdir(self._base)):
            what = "is a file" if self._fs.exists(self._base) else "does not exist"
            raise DataError(
                f"source {self._name}: {self._uri} {what}; a source is a folder, *.tar shards, a .parquet list of "
                "URLs, the URL of a folder or sample:pool, sample:curated, sample:labelled"
            )
        for path, info in self._files():
            relative = path[len(self._base) + 1 :]
            if is_candidate(relative):
                yield relative, info

    def _files(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(self._fs, LocalFileSystem):
            yield from _below(self._base)
        else:
            yield from asked(self._fs, self._base, lambda: self._fs.find(self._base, detail=True)).items()


def _below(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths and infos of what is below a local folder and is none; fsspec would pass over folders that it cannot list.

    Links to folders are not followed: they may lead in circles. Hidden folders hold no candidates.
    """
    with os.scandir(folder) as listed:
        found = list(listed)
    for each in found:
        if not each.is_dir(follow_symlinks=False):
            yield each.path, _info(each)
        elif not each.name.startswith("."):
            yield from _below(each.path)


def _info(found: os.DirEntry[str]) -> dict[str, Any]:
    try:
        seen = found.stat()
    except OSError:  # a link that leads nowhere; reading it says why
        return {"size": 0, "type": "file"}
    return {"size": seen.st_size, "type": "file" if found.is_file() else "other", "mtime_ns": seen.st_mtime_ns}
