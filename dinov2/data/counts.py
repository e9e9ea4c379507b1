"""The figures of ingest, from its tables."""

from collections.abc import Sequence
from typing import Any

import duckdb

SUMS = """
    SELECT source, count(*) AS images, count(*) FILTER (split = 'train') AS train,
        count(*) FILTER (split = 'test') AS test, count(label) AS labelled, count(DISTINCT label) AS labels,
        coalesce(sum(bytes), 0)::BIGINT AS bytes
    FROM images GROUP BY GROUPING SETS ((), (source))
"""
NAMES = ("images", "train", "test", "labelled", "labels", "bytes")
TOTAL = None
"""The name of the sums over all sources."""


def metrics(tables: duckdb.DuckDBPyConnection, sources: Sequence[str], filters: Sequence[str]) -> dict[str, Any]:
    """Counts over all, by source and by filter.

    Args:
        tables: has the views `images` and `rejects`.
        sources: names of the sources, in order.
        filters: kinds of the filters, in order.
    """
    sums = {row[0]: dict(zip(NAMES, row[1:], strict=True)) for row in tables.execute(SUMS).fetchall()}
    rejects = _by(tables, "rejects", "source")
    reasons = _by(tables, "rejects", "reason")
    nothing = dict.fromkeys(NAMES, 0)
    return {
        **sums[TOTAL],
        "rejected": sum(rejects.values()),
        "roles": _by(tables, "images", "role"),
        "rejects": reasons,
        "sources": {name: sums.get(name, nothing) | {"rejected": rejects.get(name, 0)} for name in sources},
        "filters": {kind: {"rejected": reasons.get(kind, 0)} | _more(tables, kind) for kind in filters},
    }


def _by(tables: duckdb.DuckDBPyConnection, view: str, column: str) -> dict[str, int]:
    return dict(tables.execute(f"SELECT {column}, count(*) FROM {view} GROUP BY ALL ORDER BY ALL").fetchall())


def _more(tables: duckdb.DuckDBPyConnection, kind: str) -> dict[str, int]:
    """What a filter does beside leaving images out."""
    if kind != "faces":
        return {}
    images, faces = tables.execute("SELECT count(faces), coalesce(sum(faces), 0)::BIGINT FROM images").fetchall()[0]
    return {"blurred": images, "faces": faces}
