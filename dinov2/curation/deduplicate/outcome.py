"""Who stays and who goes, and because of whom: decided by DuckDB over tables of any size."""

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from dinov2.curation.cosines import cosines
from dinov2.curation.vectors import Vectors
from dinov2.data.tables import stream

TRAINING = "role IN ('pool', 'curated')"
"""Rows of a manifest that are trained on, in SQL."""

DUPLICATES = pa.schema(
    [
        ("key", pa.string()),
        ("kept_key", pa.string()),
        ("similarity", pa.float32()),
        ("reason", pa.string()),
        ("component", pa.int64()),
    ]
)
"""A removed image; `kept_key` is the image kept in its place (reason "self") or the evaluation image that it or a copy
of it shows (reason "evaluation"); `similarity` is the cosine of the two; a `component` holds all copies of an image."""

MEMBERS = f"""
CREATE TABLE member AS
SELECT m.key, m.source, image.row, component, shows, leak.similarity,
       {{'pool': m.role <> 'curated', 'pixels': -m.width::BIGINT * m.height, 'key': m.key, 'row': image.row}} AS rank
FROM manifest m JOIN image USING (sha256) JOIN component USING (row) LEFT JOIN leak USING (row)
WHERE {TRAINING}
"""

OUTCOME = """
CREATE TABLE outcome AS
WITH best AS (SELECT component, min(rank) AS kept,
                     max({'similarity': similarity, 'first': -row, 'shows': shows}) FILTER (shows IS NOT NULL) AS leak
              FROM member GROUP BY component),
     held AS (SELECT held_image.row AS shows, min(key) AS key
              FROM manifest JOIN held_image USING (sha256) WHERE role = 'evaluation' GROUP BY held_image.row),
     decided AS (SELECT key, source, row, component, kept, coalesce(member.shows, leak.shows) AS shows
                 FROM member JOIN best USING (component))
SELECT decided.key, source, row, component, shows, held.key AS held_key, kept.key AS kept_key, kept.row AS kept_row,
       CASE WHEN shows IS NOT NULL THEN 'evaluation' WHEN decided.key <> kept.key THEN 'self' ELSE 'kept' END AS reason
FROM decided LEFT JOIN held USING (shows)
"""

REMOVED = """
SELECT key, coalesce(held_key, kept_key) AS kept_key, reason, component, row, coalesce(shows, kept_row) AS other
FROM outcome WHERE reason <> 'kept' ORDER BY key
"""

KEPT = "SELECT manifest.* FROM manifest JOIN outcome USING (key) WHERE reason = 'kept' ORDER BY key"


def decide(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table `outcome` of the tables manifest, image, held_image (sha256, row), component (row, component) and
    leak (row, shows, similarity).

    Of each component the first stays: a curated image before one of the pool, then the one with most pixels, then the
    first by key. A component of which any image shows an evaluation image goes as a whole.
    """
    connection.execute(MEMBERS)
    connection.execute(OUTCOME)


def removed(connection: duckdb.DuckDBPyConnection, mine: Vectors, theirs: Vectors) -> Iterator[pa.RecordBatch]:
    """Batches of `DUPLICATES` in order of key.

    Args:
        connection: has the table `outcome`.
        mine: vectors of training images.
        theirs: vectors of evaluation images.
    """
    for batch in stream(connection, REMOVED):
        leaked = np.array(batch["reason"].to_pylist()) == "evaluation"
        row, other = (batch[name].to_numpy() for name in ("row", "other"))
        similarity = np.empty(len(row), np.float32)
        for chosen, base in ((leaked, theirs), (~leaked, mine)):
            similarity[chosen] = cosines(mine.take(row[chosen]), base.take(other[chosen]))
        columns = [batch["key"], batch["kept_key"], pa.array(similarity), batch["reason"], batch["component"]]
        yield pa.record_batch(columns, schema=DUPLICATES)


def figures(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Counts of training images for each source, and of components by their size."""
    counts = connection.sql("SELECT source, reason, count(*) FROM outcome GROUP BY ALL").fetchall()
    components = "SELECT count(*) AS size FROM outcome GROUP BY component"
    sizes = connection.sql(f"SELECT size, count(*) FROM ({components}) GROUP BY size ORDER BY size").fetchall()
    sources = {source: {"kept": 0, "self": 0, "evaluation": 0} for source, _, _ in counts}
    for source, reason, count in counts:
        sources[source][reason] = count
    return {
        "images": sum(count for _, _, count in counts),
        "kept": sum(count for _, reason, count in counts if reason == "kept"),
        "sources": sources,
        "components": {str(size): number for size, number in sizes},
    }


def curated_left(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many curated images there were, and how many are kept."""
    curated = "FROM outcome SEMI JOIN (FROM manifest WHERE role = 'curated') USING (key)"
    (counts,) = connection.sql(f"SELECT count(*), count(*) FILTER (reason = 'kept') {curated}").fetchall()
    return counts
