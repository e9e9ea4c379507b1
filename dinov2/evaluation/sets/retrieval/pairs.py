"""Queries and what is to be found for each, in a CSV."""

from pathlib import Path

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.listing import images, key, lines, named, table
from dinov2.evaluation.sets.task import Image, Level, Retrieval

TRUTH = "ground_truth.csv"
QUERY = "query"
POSITIVES = ("matching_refs", "positives", "positive")
"""Names of the column of images to be found, with spaces between them."""


def fits(folder: Path) -> bool:
    """Whether there is a `ground_truth.csv`: one without the columns is no set of another kind but a wrong list."""
    return (folder / TRUTH).is_file()


def read(folder: Path) -> Retrieval:
    """The queries of `ground_truth.csv`, and as the database every image in the folders that the positives lie in.

    Rows of the same query add up. A query may have no positive; then it takes no part in a metric.

    Raises:
        DataError: a file that is named does not exist, no query has a positive, there is no query at all, or no list.
    """
    path = folder / TRUTH
    column = next((name for name in columns(path) if name in POSITIVES), "")
    if not column:
        raise DataError(f"{path}: no such list, or none with a column of {', '.join(POSITIVES)}")
    wanted: dict[str, list[str]] = {}
    for where, row in table(path, (QUERY, column)):
        found = wanted.setdefault(key(folder, named(folder, row[QUERY], where)), [])
        found += [key(folder, named(folder, name, where)) for name in row[column].split()]
    database = database_of(folder, path, wanted)
    number = {image.key: index for index, image in enumerate(database)}
    positives = tuple(np.unique([number[name] for name in names]).astype(np.int64) for names in wanted.values())
    none = np.zeros(0, dtype=np.int64)
    queries = tuple(Image(name, folder) for name in wanted)
    return Retrieval(folder.name, queries, database, {"all": Level(positives, (none,) * len(queries))})


def database_of(folder: Path, path: Path, wanted: dict[str, list[str]]) -> tuple[Image, ...]:
    """Every image in the folders of what is to be found.

    Raises:
        DataError: there is no query, nothing is to be found, or queries lie among what is searched.
    """
    if not wanted:
        raise DataError(f"{path}: no query in it")
    tops = sorted({Path(name).parent for names in wanted.values() for name in names})
    if not tops:
        raise DataError(f"{path}: none of the {len(wanted)} queries has anything to be found")
    database = tuple(image for top in tops for image in images(folder, folder / top) if Path(image.key).parent == top)
    if both := sorted(wanted.keys() & {image.key for image in database}):
        raise DataError(f"{path}: {len(both)} queries lie in the database's folder too, the first: {both[0]}")
    return database


def columns(path: Path) -> list[str]:
    """Names in the header of a CSV; none where there is no such file."""
    if not path.is_file():
        return []
    first = next((line for _, line in lines(path)), "")
    return [name.strip() for name in first.split(",")]


PAIRS = Layout("ground_truth.csv with query and matching_refs or positives", fits, read)
