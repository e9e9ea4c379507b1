"""Which images of a curated manifest are new, gone, or there for another reason, in all and by group."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.data.tables import stream
from dinov2.errors import DataError

NEEDED = ("key", "sha256", "source", "reason", "query", "similarity", "cluster", "method")
MOVERS = 100
"""Clusters of each manifest in the table: those with most images added or removed."""

CHANGES = pa.schema(
    [
        pa.field("change", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        ("old_why", pa.string()),
        ("new_why", pa.string()),
        ("query", pa.string()),
        ("similarity", pa.float32()),
        ("cluster", pa.int32()),
        ("descriptor", pa.string()),
    ]
)
"""`change` is "added", "removed" or "changed": for another reason or by another method than before. A why is the reason
and, of a retrieved image, the method. What follows it is of the new manifest, of a removed image of the old one."""

Count = dict[str, Any]
"""Of a group of images: `by` what they are a group, its `name`, and how many there are of each of `COUNTED`."""
COUNTED = ("old", "new", "added", "removed", "changed", "kept")
GROUPS = {
    "all": ("'all'", "'all'"),
    "source": ("old.source", "new.source"),
    "why": ("old.why", "new.why"),
    "old cluster": ("old.cluster::VARCHAR", "old.cluster::VARCHAR"),
    "new cluster": ("new.cluster::VARCHAR", "new.cluster::VARCHAR"),
}
"""What an image belongs to in the old manifest, and what in the new. Numbers of clusters mean nothing from one k-means
to another: images are counted by the cluster that they have in one manifest, whatever they have in the other."""

SIDE = """
CREATE VIEW {name} AS
SELECT key, sha256, source, query, similarity::FLOAT AS similarity, cluster::INTEGER AS cluster,
       {descriptor} AS descriptor, reason || coalesce(' by ' || method, '') AS why
FROM read_parquet('{path}') QUALIFY row_number() OVER (PARTITION BY sha256 ORDER BY key) = 1
"""

CHANGE = """
CREATE TABLE change AS
SELECT coalesce(new.sha256, old.sha256) AS sha256, old, new,
       CASE WHEN old.sha256 IS NULL THEN 'added' WHEN new.sha256 IS NULL THEN 'removed'
            WHEN old.why IS DISTINCT FROM new.why THEN 'changed' ELSE 'kept' END AS change
FROM old FULL JOIN new ON old.sha256 = new.sha256
"""

ROWS = """
SELECT change, s.key AS key, sha256, s.source AS source, old.why AS old_why, new.why AS new_why, s.query AS query,
       s.similarity AS similarity, s.cluster AS cluster, s.descriptor AS descriptor
FROM (SELECT *, CASE WHEN change = 'removed' THEN old ELSE new END AS s FROM change WHERE change <> 'kept')
ORDER BY change, key
"""

COUNT = """
SELECT name, sum(o)::BIGINT, sum(n)::BIGINT, {sums}
FROM (SELECT {old} AS name, 1 AS o, 0 AS n, CASE WHEN change = 'removed' THEN change END AS change
      FROM change WHERE change <> 'added'
      UNION ALL SELECT {new}, 0, 1, change FROM change WHERE change <> 'removed')
WHERE name IS NOT NULL GROUP BY name ORDER BY {order} LIMIT {limit}
"""


def compare(connection: duckdb.DuckDBPyConnection, old: Path, new: Path) -> None:
    """Make the table `change` (sha256, old, new, change): an image is what its bytes are, whatever key it has.

    Raises:
        DataError: a file is no curated manifest.
    """
    for name, path in (("old", old), ("new", new)):
        connection.execute(_side(name, path))
    connection.execute(CHANGE)


def rows(connection: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    """Batches of `CHANGES`, in order of change and key."""
    yield from stream(connection, ROWS)


def counts(connection: duckdb.DuckDBPyConnection) -> list[Count]:
    """Every group, those of one kind together."""
    found: list[Count] = []
    sums = ", ".join(f"count(*) FILTER (change = '{each}')" for each in COUNTED[2:])
    for by, (old, new) in GROUPS.items():
        moved = "count(*) FILTER (change IN ('added', 'removed')) DESC, name" if "cluster" in by else "name"
        limit = MOVERS if "cluster" in by else 2**31
        query = COUNT.format(sums=sums, old=old, new=new, order=moved, limit=limit)
        for name, *numbers in connection.sql(query).fetchall():
            found.append({"by": by, "name": name} | dict(zip(COUNTED, numbers, strict=True)))
    return found


def descriptors(connection: duckdb.DuckDBPyConnection) -> tuple[set[str], set[str]]:
    """Digests of what the similarities of the old manifest are by, and of the new."""
    found = [connection.sql(f"SELECT DISTINCT descriptor FROM {name}").fetchall() for name in ("old", "new")]
    old, new = ({digest for (digest,) in rows if digest} for rows in found)
    return old, new


def _side(name: str, path: Path) -> str:
    try:
        columns = pq.read_schema(path).names
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from None
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        lacks, has = ", ".join(missing), ", ".join(columns)
        raise DataError(f"{path}: no curated manifest: it has no column {lacks}; it has {has}")
    own = "descriptor" if "descriptor" in columns else "NULL::VARCHAR"
    return SIDE.format(name=name, descriptor=own, path=str(path).replace("'", "''"))
