"""What is looked at: an image of a folder or of a manifest, or the frames of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from dinov2.data.images import Pixels
from dinov2.data.sources import ImageReader
from dinov2.data.stream import Row, read_image
from dinov2.errors import DataError
from dinov2.evaluation.sets.listing import IMAGES
from dinov2.evaluation.sets.pixels import read_pixels
from dinov2.evaluation.sets.task import Clip, Image
from dinov2.evaluation.sets.video.frames import COUNT, UndecodableError, attempt, evenly
from dinov2.storage import digest, file_sha256

REMEMBERED = 2**20
"""Files whose SHA-256 is kept in memory, so that several backbones on one set read each only once for it."""


class Item(Protocol):
    """One thing that features are of.

    Attributes:
        key: names it within its set.
        frames: images that it consists of.
    """

    @property
    def key(self) -> str:
        """See above."""

    @property
    def frames(self) -> int:
        """See above."""

    def digest(self) -> str:
        """Names the bytes that it is read from, and which part of them.

        Raises:
            DataError: they cannot be read.
        """

    def read(self, shortest: int) -> Sequence[Pixels] | UndecodableError:
        """Its `frames` images, (H, W, 3) uint8 RGB, or why there are none, where going on without it is right.

        Args:
            shortest: pixels that will do on the shortest side.

        Raises:
            DataError: an image cannot be read.
        """


@dataclass(frozen=True, slots=True)
class FolderImage:
    """An image of a set in a folder."""

    image: Image

    @property
    def key(self) -> str:
        """See `Item`."""
        return self.image.key

    @property
    def frames(self) -> int:
        """See `Item`."""
        return 1

    def digest(self) -> str:
        """See `Item`."""
        sha256 = _sha256(self.image.path)
        return digest(sha256, self.image.box) if self.image.box else sha256

    def read(self, shortest: int) -> Sequence[Pixels]:
        """See `Item`."""
        return [read_pixels(self.image, shortest)]


@dataclass(frozen=True, slots=True)
class ManifestImage:
    """An image of a manifest, wherever its source is."""

    reader: ImageReader
    row: Row

    @property
    def key(self) -> str:
        """See `Item`."""
        return str(self.row["key"])

    @property
    def frames(self) -> int:
        """See `Item`."""
        return 1

    def digest(self) -> str:
        """See `Item`."""
        return str(self.row["sha256"])

    def read(self, shortest: int) -> Sequence[Pixels]:
        """See `Item`."""
        return [read_image(self.reader, self.row, shortest)]


@dataclass(frozen=True, slots=True)
class ClipFrames:
    """Frames of a clip, evenly spaced; one that cannot be decoded is left to whoever asked."""

    clip: Clip
    frames: int = COUNT

    @property
    def key(self) -> str:
        """See `Item`."""
        return self.clip.key

    def digest(self) -> str:
        """See `Item`."""
        if not self.clip.path.is_dir():
            return digest(_sha256(self.clip.path), self.frames)
        paths = sorted(path for path in self.clip.path.iterdir() if path.suffix.lower() in IMAGES)
        shown = [_sha256(paths[number]) for number in evenly(len(paths), self.frames)] if paths else []
        return digest(shown, self.frames)

    def read(self, shortest: int) -> Sequence[Pixels] | UndecodableError:
        """See `Item`."""
        return attempt(self.clip, self.frames, shortest)


def folder_images(images: Sequence[Image]) -> tuple[FolderImage, ...]:
    """As items."""
    return tuple(map(FolderImage, images))


def _sha256(path: Path) -> str:
    try:
        status = path.stat()
        return _remembered(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None


@lru_cache(REMEMBERED)
def _remembered(path: Path, _size: int, _changed: int) -> str:
    return file_sha256(path)
