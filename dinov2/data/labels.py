"""What the folders that images lie in tell about them: label and split, as queries of a table of entries."""

from typing import NamedTuple

import duckdb

SPLITS = {"train": "train", "val": "test", "valid": "test", "validation": "test", "test": "test"}
"""Names of top-level folders that say which split their images belong to."""

NOTHING = "NULL::VARCHAR"
KNOWN = ", ".join(f"'{name}'" for name in SPLITS)
OF_FOLDER = "MAP {" + ", ".join(f"'{name}': '{split}'" for name, split in SPLITS.items()) + "}"


class Told(NamedTuple):
    """SQL expressions over a row of entries."""

    label: str
    split: str


def told_by_folders(tables: duckdb.DuckDBPyConnection, entries: str, wrapped: bool) -> Told:
    """How label and split of an entry follow from its column `folders`, a path.

    When every top-level folder is named for a split (`SPLITS`), it decides the split. The folder below that (or the
    top-level one) is the label, provided that there are at least two such folders: a single one is a container. Where
    any entry has a label of its own, folders tell nothing.

    Args:
        tables: the database.
        entries: a table or file with the columns `label` and `folders`; a null path takes no part.
        wrapped: see `entries.Source`.
    """
    parts = "string_split(folders, '/')"
    if wrapped:
        outermost = f"""SELECT min({parts}[1]) = max({parts}[1]) AND min({parts}[1]) NOT IN ({KNOWN})
            AND min(len({parts})) > 1 FROM {entries}"""
        if _first(tables, outermost):
            parts = f"{parts}[2:]"
    own, by_split = (
        _first(tables, f"SELECT {expression} FROM {entries}")
        for expression in ("count(label) > 0", f"bool_and({parts}[1] IN ({KNOWN})) FILTER (len({parts}) > 1)")
    )
    if own:
        return Told("label", NOTHING)
    depth = 2 if by_split else 1
    folder = f"{parts}[{depth}]"
    several = _first(tables, f"SELECT min({folder}) <> max({folder}) FROM {entries} WHERE len({parts}) > {depth}")
    label = f"CASE WHEN len({parts}) > {depth} THEN {folder} END" if several else NOTHING
    split = f"CASE WHEN len({parts}) > 1 THEN {OF_FOLDER}[{parts}[1]] END" if by_split else NOTHING
    return Told(label, split)


def _first(tables: duckdb.DuckDBPyConnection, query: str) -> object:
    return tables.execute(query).fetchall()[0][0]
