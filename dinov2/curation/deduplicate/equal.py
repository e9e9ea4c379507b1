"""Images whose vectors are equal: copies of each other, which no search has to find."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from dinov2.curation.keep import Arrays
from dinov2.curation.vectors import Vectors
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.tables import create_table, stream
from dinov2.progress import progress

ROWS = 1 << 14
MINUS_ZERO = 0x8000
"""Bits of a float16, which are to be those of 0."""
NAME = 16
"""Bytes of a hash that names a vector: no two of any number of vectors share one by chance."""

REPEATED = """
WITH several AS (SELECT one, other, min(row) AS first FROM named GROUP BY one, other HAVING count(*) > 1)
SELECT row, first FROM named JOIN several USING (one, other) WHERE row > first ORDER BY row
"""

FOUND = pa.schema([("row", pa.int64()), ("first", pa.int64())])


@dataclass(frozen=True)
class Equal:
    """Rows whose vector an earlier row has too.

    Attributes:
        row: (E,) int64 numbers, rising.
        first: (E,) int64: the first row with the same vector.
    """

    row: np.ndarray
    first: np.ndarray


NONE = Equal(np.empty(0, np.int64), np.empty(0, np.int64))


def equal_rows(images: Described, place: Workplace) -> Equal:
    """Those of a set, found in one pass and kept. Rows of zeros are none: they are at cosine 0 to each other."""
    keep = place.keep.within("equal", images.digest)

    def find() -> Arrays:
        create_table(place.connection, "named", "row BIGINT, one BIGINT, other BIGINT", _named(images.vectors))
        found = pa.Table.from_batches(stream(place.connection, REPEATED), FOUND)
        place.connection.execute("DROP TABLE named")
        return {name: found[name].to_numpy() for name in FOUND.names}

    return Equal(**keep.made("rows", find))


def _named(vectors: Vectors) -> Iterator[pa.RecordBatch]:
    """(row, one, other): the halves of a hash of each vector that is not zero."""
    with progress("equal vectors", vectors.count, "vectors") as shown:
        for start in range(0, vectors.count, ROWS):
            bits = vectors.read(start, start + ROWS).view("<u2")
            bits = np.where(bits == MINUS_ZERO, np.uint16(0), bits)
            row = np.flatnonzero(bits.any(axis=1))
            names = b"".join(blake2b(bits[n], digest_size=NAME).digest() for n in row)
            one, other = np.frombuffer(names, "<i8").reshape(-1, 2).T
            yield pa.record_batch({"row": start + row, "one": one.copy(), "other": other.copy()})
            shown.advance(len(bits))
