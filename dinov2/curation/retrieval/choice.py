"""The training set as a table, with the reason for each image."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

from dinov2.data.manifest import SCHEMA
from dinov2.data.tables import stream

WHY = (
    pa.field("reason", pa.string()),
    pa.field("query", pa.string()),
    pa.field("similarity", pa.float32()),
    pa.field("cluster", pa.int32()),
    pa.field("method", pa.string()),
    pa.field("descriptor", pa.string()),
)
"""Columns beside the manifest's. `reason` is "curated", "retrieved" or, where there is no curated source, "pool". A
retrieved image has a `method`: "sample", with the key of the `query` nearest to it and their cosine; "cluster", with
the number of the cluster and the cosine to its centre; or "balanced", likewise. `descriptor` is the digest of what the
cosines are by."""

TAKEN = "row BIGINT, source VARCHAR, query VARCHAR, similarity FLOAT, cluster INTEGER, method VARCHAR"
"""Columns of the table `taken`: a row of the pool, the curated source that took it, and by what."""

CURATED = """
CREATE TABLE curated AS
WITH best AS (SELECT row, true AS taken, min(cluster) AS cluster, min(similarity) FILTER (query IS NULL) AS central,
                     min({'far': -similarity, 'query': query}) FILTER (query IS NOT NULL) AS near,
                     min(method) FILTER (query IS NULL) AS other
              FROM taken GROUP BY row)
SELECT manifest.*,
       CASE WHEN role = 'curated' THEN 'curated' WHEN taken THEN 'retrieved' ELSE 'pool' END AS reason,
       near.query AS query, coalesce(-near.far, central) AS similarity, cluster,
       CASE WHEN near IS NOT NULL THEN 'sample' ELSE other END AS method,
       CASE WHEN taken THEN $descriptor END AS descriptor
FROM manifest LEFT JOIN image ON manifest.sha256 = image.sha256 AND role = 'pool' LEFT JOIN best USING (row)
WHERE role = 'curated' OR taken OR $whole
"""


def choose(connection: duckdb.DuckDBPyConnection, descriptor: str, whole: bool) -> None:
    """Make the table `curated` of the tables manifest, image (sha256, row) and taken (`TAKEN`).

    An image that several queries took goes to the most alike, of equals to the first by key.

    Args:
        connection: has the tables.
        descriptor: digest, for the column.
        whole: take the pool as it is.
    """
    connection.execute(CURATED, {"descriptor": descriptor, "whole": whole})


def rows(connection: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    """Batches of the table `curated`, in order of key."""
    names = ", ".join(field.name for field in (*SCHEMA, *WHY))
    yield from stream(connection, f"SELECT {names} FROM curated ORDER BY key")


def figures(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Counts of the pool and of what was taken: in all, from the pool, for each source, by each source of queries."""
    images, from_pool = _one(connection, "SELECT count(*), count(*) FILTER (role = 'pool') FROM curated")
    (pool,) = _one(connection, "SELECT count(*) FROM manifest WHERE role = 'pool'")
    found = connection.sql("SELECT source, count(DISTINCT row) FROM taken WHERE source IS NOT NULL GROUP BY source")
    return {
        "images": images,
        "pool": pool,
        "from_pool": from_pool,
        "sources": dict(connection.sql("SELECT source, count(*) FROM curated GROUP BY source").fetchall()),
        "retrieved": dict(found.fetchall()),
    }


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    return connection.sql(query).fetchall()[0]
