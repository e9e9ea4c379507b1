"""Training images that look the same as another one, by a 64-bit hash of their lowest frequencies."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import pyarrow as pa
from pydantic import Field

from dinov2.config import Config
from dinov2.data.filters.protocol import Filter, Place
from dinov2.data.images import Pixels
from dinov2.data.tables import create_table, stream

if TYPE_CHECKING:
    import duckdb

VERSION = 1
SIDE, FREQUENCIES = 32, 8
FLAT = 2.0
"""Largest coefficient, in grey levels, of a picture that has no structure to compare."""


class PerceptualConfig(Config):
    """How alike two hashes must be."""

    kind: Literal["perceptual"]
    bits: int = Field(
        0,
        ge=0,
        le=8,
        description="most of the 64 bits that may differ, which they do in twos; the larger, the faster the time grows "
        "with the pool",
    )


class Perceptual(Filter):
    """Of training images with like hashes a curated one is kept, else the largest, then the first by key.

    It stands where the published pipeline had its "PCA hash" (Oquab et al. 2023, appendix A), of which no details are
    given. This one learns nothing from the pool, so that no image's hash changes when the pool grows.
    """

    kind = "perceptual"
    side = 2 * SIDE

    def __init__(self, config: PerceptualConfig, _: Place) -> None:
        self.identity = ["perceptual", VERSION]
        self._bits = config.bits

    def measure(self, image: Pixels) -> dict[str, int] | None:
        """See `Filter`."""
        found = dct_hash(image)
        return None if found is None else {"hash": found}

    def among_all(self, tables: "duckdb.DuckDBPyConnection") -> str | None:
        """See `Filter`.

        Images are gone through from the best to the worst; one is left out when one that was kept is near enough, for
        the nearest of those. So every image that is left out has its like among those that stay.
        """
        tables.execute("""
            CREATE TABLE hashes AS
            SELECT hash, best.key AS key, row_number() OVER (ORDER BY best) - 1 AS place FROM (
                SELECT hash, min({'pool': role <> 'curated', 'area': -width::BIGINT * height, 'key': key}) AS best
                FROM images WHERE role <> 'evaluation' AND hash IS NOT NULL GROUP BY hash
            )
        """)
        create_table(tables, "likes", "worse BIGINT, better BIGINT, distance INTEGER", self._likes(tables))
        return """
            WITH kept AS (
                SELECT hashes.hash, coalesce(other.key, hashes.key) AS key, coalesce(likes.distance, 0) AS distance
                FROM hashes LEFT JOIN likes ON hashes.place = likes.worse
                LEFT JOIN hashes AS other ON other.place = likes.better
            )
            SELECT images.key, 'looks like ' || kept.key || ', ' || kept.distance || ' of 64 bits differ' AS detail
            FROM images JOIN kept USING (hash) WHERE images.role <> 'evaluation' AND images.key <> kept.key
        """

    def _likes(self, tables: "duckdb.DuckDBPyConnection") -> Iterator[pa.RecordBatch]:
        """Places of hashes that go, of the hash that each goes for, and their distance."""
        if not self._bits:
            return
        kept = np.ones(tables.execute("SELECT count(*) FROM hashes").fetchall()[0][0], bool)
        for batch in stream(tables.cursor(), self._pairs()):
            found: dict[str, list[int]] = {"worse": [], "better": [], "distance": []}
            for worse, better, distance in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if kept[worse] and kept[better]:
                    kept[worse] = False
                    for name, value in zip(found, (worse, better, distance), strict=True):
                        found[name].append(value)
            yield pa.RecordBatch.from_pydict(found)

    def _pairs(self) -> str:
        """A query of the pairs of hashes that differ in few enough bits.

        Multi-index hashing (Norouzi et al. 2012): of n + 1 parts of two hashes that differ in n bits one is the same.
        """
        edges = [round(part * 64 / (self._bits + 1)) for part in range(self._bits + 2)]
        parts = (
            f"""SELECT a.place AS worse, b.place AS better, bit_count(xor(a.hash, b.hash)) AS distance
            FROM hashes AS a JOIN hashes AS b
            ON (a.hash >> {low}) & {2 ** (high - low) - 1} = (b.hash >> {low}) & {2 ** (high - low) - 1}
            AND a.place > b.place AND bit_count(xor(a.hash, b.hash)) <= {self._bits}"""
            for low, high in pairwise(edges)
        )
        return " UNION ".join(parts) + " ORDER BY worse, distance, better"


def dct_hash(image: Pixels) -> int | None:
    """64 bits: which of 8×8 low frequencies of an (H, W, 3) image are above their median; None for a flat picture.

    The "DCT based hash" of Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions, section
    3.2.1: 32×32 grey pixels, the discrete cosine transform, of which rows and columns 1 to 8 count.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    spectrum = cv2.dct(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    low = spectrum[1 : FREQUENCIES + 1, 1 : FREQUENCIES + 1].ravel()
    if np.abs(low).max() < FLAT:
        return None
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes())
