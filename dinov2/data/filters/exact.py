"""Training images that are the same file as another one."""

from typing import TYPE_CHECKING, Literal

from dinov2.config import Config
from dinov2.data.filters.protocol import Filter, Place

if TYPE_CHECKING:
    import duckdb


class ExactConfig(Config):
    """Nothing to choose."""

    kind: Literal["exact"]


class Exact(Filter):
    """Of training images with the same bytes one is kept: a curated one before one of the pool, then the first by key.

    Images to evaluate on are never left out.
    """

    kind = "exact"
    looks = False

    def __init__(self, config: ExactConfig, place: Place) -> None:
        """See `Filter`; there is nothing to keep."""

    def among_all(self, _: "duckdb.DuckDBPyConnection") -> str | None:
        """See `Filter`."""
        return """
            WITH trained AS (SELECT key, sha256, role FROM images WHERE role <> 'evaluation'),
            first AS (SELECT sha256, min({'pool': role <> 'curated', 'key': key}) AS best
                      FROM trained GROUP BY sha256 HAVING count(*) > 1)
            SELECT trained.key, 'the same bytes as ' || best.key AS detail
            FROM trained JOIN first USING (sha256) WHERE trained.key <> best.key
        """
