"""The images of a manifest that lack a vector: distinct ones, in order of sha256, from tables larger than memory."""

from collections.abc import Iterator
from itertools import chain, groupby
from operator import itemgetter

import duckdb

from dinov2.data.stream import Row
from dinov2.data.tables import stream


def create_missing(connection: duckdb.DuckDBPyConnection, catalogues: int) -> tuple[int, int]:
    """Make the table `missing` of the rows of `wanted` that one of the tables `have_0`, `have_1` ... lacks.

    Args:
        connection: has `wanted`, rows of a manifest, and the tables, as `create_catalogue` made them.
        catalogues: how many tables there are.

    Returns:
        How many different images are wanted, and how many of them are missing.
    """
    lacks = [f"have_{number}.sha256 IS NULL" for number in range(catalogues)]
    joins = [f"LEFT JOIN have_{number} ON have_{number}.sha256 = wanted.sha256" for number in range(catalogues)]
    connection.execute(
        f"CREATE TABLE missing AS SELECT wanted.sha256, key, source, uri, width, height, [{', '.join(lacks)}] AS lacks "
        f"FROM wanted {' '.join(joins)} WHERE {' OR '.join(lacks)}"
    )
    # Their memory is wanted for the sort that follows.
    for number in range(catalogues):
        connection.execute(f"DROP TABLE have_{number}")
    return _distinct(connection, "wanted"), _distinct(connection, "missing")


def missing_rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    """A row of `missing` for each image, that of its first key; `lacks` says for each table whether it lacks it."""
    batches = stream(connection, "SELECT * FROM missing ORDER BY sha256, key")
    rows = chain.from_iterable(batch.to_pylist() for batch in batches)
    return (next(same) for _, same in groupby(rows, itemgetter("sha256")))


def _distinct(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return connection.sql(f"SELECT count(*) FROM (SELECT DISTINCT sha256 FROM {table})").fetchall()[0][0]
