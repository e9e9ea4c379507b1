"""Copy detection: queries, some of which are edited copies of database images."""

from pathlib import Path

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.listing import key, named, table
from dinov2.evaluation.sets.retrieval.pairs import QUERY, TRUTH, columns, database_of
from dinov2.evaluation.sets.task import Copies, Image

ORIGINAL, EDIT = "db_image", "edit"


def fits(folder: Path) -> bool:
    """Whether there is a CSV of queries and the images that they are copies of."""
    return ORIGINAL in columns(folder / TRUTH)


def read(folder: Path) -> Copies:
    """The queries of `ground_truth.csv`, and as the database every image in the folders of the originals.

    A row has a query, its `db_image`, empty where it is no copy, and perhaps the `edit`. Several originals of one query
    are several rows.

    Raises:
        DataError: a file that is named does not exist, no query is a copy, or there is no query at all.
    """
    path = folder / TRUTH
    wanted: dict[str, list[str]] = {}
    edits: dict[str, str] = {}
    for where, row in table(path, (QUERY, ORIGINAL)):
        query = key(folder, named(folder, row[QUERY], where))
        originals = wanted.setdefault(query, [])
        if row[ORIGINAL]:
            originals.append(key(folder, named(folder, row[ORIGINAL], where)))
        edit = row.get(EDIT, "")
        if edits.setdefault(query, edit) != edit:
            raise DataError(f"{where}: {query} is edited by {edit!r} here and by {edits[query]!r} above")
    database = database_of(folder, path, wanted)
    number = {image.key: index for index, image in enumerate(database)}
    pairs = [(q, number[name]) for q, names in enumerate(wanted.values()) for name in sorted(set(names))]
    queries = tuple(Image(name, folder) for name in wanted)
    return Copies(folder.name, queries, database, np.array(pairs, dtype=np.int64), tuple(edits.values()))


COPIES = Layout("ground_truth.csv with query, db_image and edit", fits, read)
