"""Images that are small or long and thin."""

from typing import Literal

from pydantic import Field, PositiveInt

from dinov2.config import Config
from dinov2.data.filters.protocol import Filter, Place


class SizeConfig(Config):
    """Bounds on width and height, beyond `ingest.min_side`."""

    kind: Literal["size"]
    min_side: PositiveInt = Field(64, description="pixels that the shorter side must have")
    max_aspect: float = Field(3.0, ge=1, description="most that the longer side may be of the shorter one")


class Size(Filter):
    """Judges by the header alone."""

    kind = "size"

    def __init__(self, config: SizeConfig, place: Place) -> None:
        super().__init__(config, place)
        self._config = config

    def by_header(self, width: int, height: int) -> str | None:
        """See `Filter`."""
        shorter, longer = sorted((width, height))
        if shorter < self._config.min_side:
            return f"{width}×{height} pixels, at least {self._config.min_side} a side are needed"
        if longer > self._config.max_aspect * shorter:
            return f"{width}×{height} pixels, at most {self._config.max_aspect:g} : 1 is allowed"
        return None
