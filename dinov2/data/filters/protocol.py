"""What every filter is: up to four questions, each asked where the answer is cheapest."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dinov2.config import Config
from dinov2.data.images import Pixels
from dinov2.errors import ConfigError
from dinov2.storage import Store, file_sha256

if TYPE_CHECKING:
    import duckdb

FULL = 1 << 30
"""More pixels than any image has on a side: it is wanted as it is."""


@dataclass(frozen=True)
class Place:
    """Where a filter stands.

    Attributes:
        key: its name in params.yaml, such as `ingest.filters.0`.
        root: the workspace, which its files are relative to.
        store: for images that it changes.
    """

    key: str
    root: Path
    store: Store

    def file(self, field: str, name: str) -> Path:
        """A file that the parameter `field` names.

        Raises:
            ConfigError: there is no such file.
        """
        if not (self.root / name).is_file():
            raise ConfigError(f"{self.key}.{field}: {name!r}: no such file in {self.root}")
        return self.root / name


class Changed(NamedTuple):
    """An image that takes the place of another one: its blob in the store, its bytes, and how many faces it hides."""

    name: str
    data: bytes
    width: int
    height: int
    faces: int


class Filter:
    """One reason to leave images out. A kind overrides the questions that it answers; the others let everything pass.

    Methods are called by many threads at once. A detail tells people why; it depends on the image alone.

    Attributes:
        kind: its name in params.yaml.
        side: pixels on the shortest side that `by_pixels` and `measure` want to see; 0 when they look at none.
        looks: whether it takes part in looking at a file: a change of it makes every file be looked at again.
    """

    kind: str
    side: int = 0
    looks: bool = True

    def __init__(self, config: Config, place: Place) -> None:
        self.identity: Any = [
            type(self).__name__,
            config.model_dump(mode="json") | {key: file_sha256(path) for key, path in files_of(config, place).items()},
        ]

    def before_reading(self, uri: str) -> str | None:
        """Before anything is read: the detail, if what is to be read by `uri` is to be left out."""

    def by_header(self, width: int, height: int) -> str | None:
        """When only the header was read: the detail, if an image of that many pixels is to be left out.

        A photograph taken upright may be stored on its side: width and height may have to be exchanged.
        """

    def by_pixels(self, image: Pixels) -> str | None:
        """The detail, if this (H, W, 3) image is to be left out."""

    def measure(self, image: Pixels) -> dict[str, int] | None:
        """Numbers of an (H, W, 3) image for columns of `looked.LOOKED`, which `among_all` needs."""

    def change(self, image: Pixels, sha256: str) -> Changed | None:
        """What takes the place of an (H, W, 3) image at full size, whose file has this digest; None: it stays."""

    def among_all(self, tables: "duckdb.DuckDBPyConnection") -> str | None:
        """When all images are known: a query of `key` and `detail` of those to be left out.

        Args:
            tables: has the view `images` with the columns of the manifest and what was measured.
        """


def files_of(config: Config, place: Place) -> dict[str, Path]:
    """The files that a filter's parameters name, by the parameter."""
    named = config.files() if isinstance(config, WithFiles) else {}
    return {field: place.file(field, name) for field, name in named.items()}


class WithFiles(Config):
    """Parameters of a filter that name files of the workspace."""

    def files(self) -> dict[str, str]:
        """The name of each parameter that names a file, to the file."""
        return {}
