"""What is left out at ingest beyond broken files. A new filter is one file here, and one line in each list."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dinov2.data.filters.blank import Blank, BlankConfig
from dinov2.data.filters.exact import Exact, ExactConfig
from dinov2.data.filters.faces import Faces, FacesConfig
from dinov2.data.filters.nsfw import Nsfw, NsfwConfig
from dinov2.data.filters.perceptual import Perceptual, PerceptualConfig
from dinov2.data.filters.protocol import Filter, Place, WithFiles
from dinov2.data.filters.size import Size, SizeConfig
from dinov2.data.filters.urls import Urls, UrlsConfig
from dinov2.storage import Store

__all__ = ["Filter", "FilterConfig", "create_filters", "files_of"]

FilterConfig = Annotated[
    UrlsConfig | SizeConfig | BlankConfig | NsfwConfig | FacesConfig | ExactConfig | PerceptualConfig,
    Field(discriminator="kind"),
]

FILTERS: dict[str, Any] = {own.kind: own for own in (Urls, Size, Blank, Nsfw, Faces, Exact, Perceptual)}

KEY = "ingest.filters"


def create_filters(configs: Sequence[FilterConfig], root: Path, store: Store) -> dict[str, Filter]:
    """The filters in their order, by kind.

    Args:
        configs: of each.
        root: the workspace, which their files are relative to.
        store: for images that they change.

    Raises:
        ConfigError: a file is not there, or is not what it should be.
        DataError: a block list cannot be read.
    """
    return {own.kind: FILTERS[own.kind](own, Place(f"{KEY}.{n}", root, store)) for n, own in enumerate(configs)}


def files_of(configs: Sequence[FilterConfig]) -> dict[str, str]:
    """Files that the filters' parameters name: the parameter's key in params.yaml to the file."""
    return {
        f"{KEY}.{n}.{field}": path
        for n, own in enumerate(configs)
        if isinstance(own, WithFiles)
        for field, path in own.files().items()
    }
