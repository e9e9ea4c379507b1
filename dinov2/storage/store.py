"""The store behind an fsspec URL: named blobs, each whole or absent."""

import hashlib
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import fsspec

from dinov2.errors import DataError, UserError
from dinov2.storage.faults import in_short
from dinov2.storage.files import atomic_path, file_sha256
from dinov2.storage.patience import retried
from dinov2.storage.places import locate_url

T = TypeVar("T")


class Store:
    """Named blobs under one fsspec URL (`var/store`, `s3://bucket/prefix`); a blob is whole or absent.

    Names are relative, with `/` between parts. Relative local URLs are taken from `root`, the workspace. A store that
    is away is waited for, two minutes; all methods raise

        FileNotFoundError   where they read a blob that is not there
        UserError           when somebody has to mend something: keys, the bucket, rights, a store that is full
        UnreachableError    when it stays away
    """

    def __init__(self, url: str, root: Path | None = None) -> None:
        if "://" not in url:
            url = str(((root or Path.cwd()) / url).resolve())
        self.url = url
        self.base = locate_url(url)[1]

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        """The file system behind the store, this process's own: connections do not survive a fork."""
        return locate_url(self.url)[0]

    def path(self, name: str) -> str:
        """The place of `name` as the file system behind the store spells it."""
        return f"{self.base.rstrip('/')}/{name}"

    def url_of(self, name: str) -> str:
        """A URL of `name` that fsspec opens anywhere."""
        return f"{self.url.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Whether `name` is there."""
        try:
            self._do(lambda: self.fs.info(self.path(name)), name)
        except FileNotFoundError:
            return False
        return True

    def read(self, name: str) -> bytes:
        """The bytes of `name`.

        Raises:
            FileNotFoundError: it is not there.
        """
        return self._do(lambda: self.fs.cat_file(self.path(name)), name)

    def write(self, name: str, data: bytes) -> None:
        """Write `name`, replacing it: object stores put it at once, a local one renames it into place."""
        path = self.path(name)

        def put() -> None:
            if self.is_local:
                with atomic_path(Path(path)) as draft:
                    draft.write_bytes(data)
            else:
                self.fs.pipe_file(path, data)

        self._do(put, name)

    def upload(self, path: Path, name: str, sha256: str = "") -> str:
        """Write the content of a local file to `name`, replacing it, without holding a large one in memory.

        Args:
            path: of the file.
            name: of the blob.
            sha256: of its content, where that is known.

        Returns:
            Its SHA-256, in hexadecimal.
        """

        def put() -> None:
            if self.is_local:
                with atomic_path(Path(self.path(name))) as draft:
                    shutil.copyfile(path, draft)
            else:
                self.fs.put_file(str(path), self.path(name))

        with ThreadPoolExecutor(1) as beside:
            checksum = None if sha256 else beside.submit(file_sha256, path)
            self._do(put, name)
            return checksum.result() if checksum else sha256

    def download(self, name: str, path: Path, sha256: str) -> None:
        """Write `name` to a local file, whole or not at all, without holding a large one in memory.

        Args:
            name: the blob.
            path: of the file, which it replaces.
            sha256: what its content must have, in hexadecimal.

        Raises:
            FileNotFoundError: it is not there.
            DataError: its content is another one, also when it is fetched again.
        """
        with atomic_path(path) as draft:
            for _ in range(2):
                self._do(lambda: self.fs.get_file(self.path(name), str(draft)), name)
                if (found := file_sha256(draft)) == sha256:
                    return
            raise DataError(f"{self.url_of(name)}: damaged: its SHA-256 is {found} where {sha256} was written")

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
        try:
            checksum = self.read(_sidecar(name))
            data = self.read(name)
        except FileNotFoundError:
            return None
        if checksum == hashlib.sha256(data).hexdigest().encode():
            return data
        print(f"{self.url_of(name)}: damaged (its checksum differs); made again", file=sys.stderr, flush=True)
        return None

    def list(self, prefix: str) -> list[str]:
        """Names that begin with the folder `prefix`, sorted; empty when there is none."""
        start = len(self.base.rstrip("/")) + 1
        with suppress(FileNotFoundError):
            found = self._do(lambda: self.fs.find(self.path(prefix)), prefix)
            return sorted(str(path)[start:] for path in found if not Path(str(path)).name.startswith("."))
        return []

    def delete(self, name: str) -> None:
        """Remove `name`, a blob or a folder of them, if it is there."""
        with suppress(FileNotFoundError):
            self._do(lambda: self.fs.rm(self.path(name), recursive=True), name)

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return "file" in (self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,))

    def _do(self, action: Callable[[], T], name: str) -> T:
        try:
            return retried(action, self.url_of(name))
        except FileNotFoundError:
            raise
        except OSError as error:
            what = error.strerror or in_short(error)
            raise UserError(f"{self.url_of(name)}: {what}") from error


def _sidecar(name: str) -> str:
    return f"{name}.sha256"
