"""Files that are whole or absent: atomic local writes, the store behind an fsspec URL, and digests."""

import hashlib
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import fsspec

T = TypeVar("T")
ATTEMPTS = 5
FIRST_WAIT_S = 0.5


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path to write to, in the folder of `path`; it becomes `path` when the block ends well, else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by process: its threads, and processes of the same number on other machines, may write the same file.
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with atomic_path(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON with sorted keys, whole or not at all: equal content gives equal bytes."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def digest(*parts: Any) -> str:
    """16 hexadecimal digits that name `parts` (anything JSON can hold): equal parts, equal name."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def retried(action: Callable[[], T]) -> T:
    """Do `action`; after an error of the network or the file system wait and try again, five times in all."""
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except FileNotFoundError:
            raise
        except OSError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(FIRST_WAIT_S * 2**attempt)
    raise AssertionError("unreachable")


class Store:
    """Named blobs under one fsspec URL (`var/store`, `s3://bucket/prefix`); a blob is whole or absent.

    Names are relative, with `/` between parts. Relative local URLs are taken from `root`, the workspace.
    """

    def __init__(self, url: str, root: Path | None = None) -> None:
        if "://" not in url:
            url = str(((root or Path.cwd()) / url).resolve())
        self.url = url
        self.base = fsspec.core.url_to_fs(url)[1]

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        """The file system behind the store, this process's own: connections do not survive a fork."""
        return fsspec.core.url_to_fs(self.url)[0]

    def path(self, name: str) -> str:
        """The place of `name` as the file system behind the store spells it."""
        return f"{self.base.rstrip('/')}/{name}"

    def url_of(self, name: str) -> str:
        """A URL of `name` that fsspec opens anywhere."""
        return f"{self.url.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Whether `name` is there."""
        return retried(lambda: self.fs.exists(self.path(name)))

    def read(self, name: str) -> bytes:
        """The bytes of `name`.

        Raises:
            FileNotFoundError: it is not there.
        """
        return retried(lambda: self.fs.cat_file(self.path(name)))

    def write(self, name: str, data: bytes) -> None:
        """Write `name`, replacing it: object stores put it at once, a local one renames it into place."""
        path = self.path(name)
        if self._is_local():
            with atomic_path(Path(path)) as draft:
                draft.write_bytes(data)
        else:
            retried(lambda: self.fs.pipe_file(path, data))

    def write_checked(self, name: str, data: bytes) -> str:
        """Write `name`, then its SHA-256 beside it as NAME.sha256, and give that.

        A blob without a checksum was interrupted.
        """
        checksum = hashlib.sha256(data).hexdigest()
        self.write(name, data)
        self.write(_sidecar(name), checksum.encode())
        return checksum

    def read_checked(self, name: str) -> bytes | None:
        """The bytes of `name` as `write_checked` wrote them; None when they are not there.

        Damaged ones are as good as none, and are said to be: who asked makes them again.
        """
        if not (self.exists(name) and self.exists(_sidecar(name))):
            return None
        data = self.read(name)
        if self.read(_sidecar(name)) == hashlib.sha256(data).hexdigest().encode():
            return data
        print(f"{self.url_of(name)}: damaged (its checksum differs); made again", file=sys.stderr, flush=True)
        return None

    def list(self, prefix: str) -> list[str]:
        """Names that begin with the folder `prefix`, sorted; empty when there is none."""
        base = self.path(prefix)
        if not self.exists(prefix):
            return []
        found = retried(lambda: self.fs.find(base, refresh=True) if not self._is_local() else self.fs.find(base))
        start = len(self.base.rstrip("/")) + 1
        return sorted(str(path)[start:] for path in found if not Path(str(path)).name.startswith("."))

    def delete(self, name: str) -> None:
        """Remove `name`, a blob or a folder of them, if it is there."""
        with suppress(FileNotFoundError):
            retried(lambda: self.fs.rm(self.path(name), recursive=True))

    def _is_local(self) -> bool:
        return "file" in (self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,))


def _sidecar(name: str) -> str:
    return f"{name}.sha256"
