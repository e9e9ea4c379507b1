"""Parameters of the data room: where images come from and which of them are usable."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from dinov2.config import Config
from dinov2.credentials import credential_in_url
from dinov2.data.filters import FilterConfig

Role = Literal["pool", "curated", "evaluation"]

PILLOW_LIMIT = 89_478_485
"""Pixels from which Pillow itself suspects a decompression bomb."""

HELD_OUT = 0.3

SHARDS = "shards"
"""Name of the source that the packed training images have, so that no other may have it."""


class SourceConfig(Config):
    """One place that images come from."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="begins the key of each of its images")
    uri: str = Field(
        min_length=1,
        description="a folder, `*.tar` shards as a glob or with {000..009}, a `.parquet` list of URLs, the fsspec URL "
        "of a folder such as s3://bucket/prefix, or sample:pool, sample:curated, sample:labelled",
    )
    role: Role = Field(description="pool: uncurated; curated: trusted, what to look for; evaluation: never trained on")
    test_fraction: float | None = Field(
        None, ge=0, lt=1, description="share of the labelled images held out for tests; by default 0.3, of a pool 0"
    )

    @field_validator("uri")
    @classmethod
    def _holds_no_credential(cls, uri: str) -> str:
        if why := credential_in_url(uri):
            raise ValueError(f"{why}; credentials belong into the environment or a profile")
        return uri

    @property
    def held_out(self) -> float:
        """Share of the labelled images that becomes the test split."""
        if self.test_fraction is not None:
            return self.test_fraction
        return 0.0 if self.role == "pool" else HELD_OUT


class IngestConfig(Config):
    """What `dinov2 ingest` takes in."""

    sources: tuple[SourceConfig, ...]
    min_side: PositiveInt = Field(32, description="images with a shorter side, in pixels, are rejected")
    max_pixels: PositiveInt = Field(
        64_000_000, le=PILLOW_LIMIT, description="images that declare more are rejected without decoding them"
    )
    filters: tuple[FilterConfig, ...] = Field((), description="what else is left out, in this order; see data/filters")
    memory_gib: float = Field(2.0, ge=0.25, description="most that tables take; beside it images are decoded")

    @field_validator("sources")
    @classmethod
    def _distinct(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
        names = [source.name for source in sources]
        if SHARDS in names:
            raise ValueError(f"a source is named {SHARDS!r}; that name is kept for the packed training images")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are named {name!r}; each needs a name of its own")
        return sources

    @field_validator("filters")
    @classmethod
    def _once(cls, filters: tuple[FilterConfig, ...]) -> tuple[FilterConfig, ...]:
        kinds = [own.kind for own in filters]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"two filters of kind {kind!r}; each may be there once")
        return filters

    @model_validator(mode="after")
    def _has_pool(self) -> Self:
        if not any(source.role == "pool" for source in self.sources):
            raise ValueError("no source has role: pool; at least one must")
        return self
