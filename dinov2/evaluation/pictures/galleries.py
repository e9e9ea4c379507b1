"""What curation removed and what it brought in, chosen to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

REASONS = {
    "self": "copies of each other",
    "evaluation": "copies of images held out for evaluation",
}
PAIRS = 12
SHOWN = 8
ANSWERS = 4


@dataclass(frozen=True)
class Pair:
    """A removed image and the image it repeats; `kept` is None where none is named."""

    removed: str
    kept: str | None
    similarity: float


@dataclass(frozen=True)
class Duplicates:
    """All that was removed for one reason, and some of it to look at, from the most alike to the least."""

    title: str
    count: int
    pairs: list[Pair]


@dataclass(frozen=True)
class Retrieval:
    """What one query image brought in, nearest first, or what was taken of one cluster, which has no query.

    Attributes:
        query: key of the query image, or None.
        found: keys of images, and their similarity to the query.
    """

    query: str | None
    found: list[tuple[str, float | None]]


def spread(count: int, most: int) -> list[int]:
    """At most `most` places spread evenly over range(count), both ends among them."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def duplicates(path: Path) -> list[Duplicates]:
    """What `data/duplicates.parquet` says, for each reason in it; pairs spread over the range of similarity."""
    table = pq.read_table(path, columns=["key", "kept_key", "similarity", "reason"])
    found = []
    for reason in sorted(pc.unique(table["reason"]).to_pylist(), key=lambda name: (name != "self", name)):
        rows = table.filter(pc.equal(table["reason"], reason)).sort_by(
            [("similarity", "descending"), ("key", "ascending")]
        )
        chosen = rows.take(spread(len(rows), PAIRS)).to_pylist()
        pairs = [Pair(row["key"], row["kept_key"], row["similarity"]) for row in chosen]
        found.append(Duplicates(REASONS.get(reason, reason), len(rows), pairs))
    return found


def retrievals(path: Path, column: Literal["query", "cluster"]) -> list[Retrieval]:
    """Some queries, or clusters, of `data/curated.parquet`, spread over all of them, each with what it brought in."""
    table = pq.read_table(path, columns=["key", "query", "similarity", "cluster"])
    table = table.filter(pc.is_valid(table[column]))
    values = sorted(pc.unique(table[column]).to_pylist())
    return [_retrieval(table, column, values[place]) for place in spread(len(values), SHOWN)]


def _retrieval(table: pa.Table, column: str, value: str | int) -> Retrieval:
    rows = table.filter(pc.equal(table[column], value)).sort_by([("similarity", "descending"), ("key", "ascending")])
    first = rows.slice(0, ANSWERS).to_pylist()
    if column == "query":
        return Retrieval(str(value), [(row["key"], row["similarity"]) for row in first])
    return Retrieval(None, [(row["key"], None) for row in first])


def counts(path: Path, column: str) -> list[tuple[str, int]]:
    """How often each value of a Parquet column occurs, the most frequent first."""
    found = pc.value_counts(pq.read_table(path, columns=[column])[column]).to_pylist()
    return sorted(((str(each["values"]), each["counts"]) for each in found), key=lambda pair: (-pair[1], pair[0]))


def keys_of(removed: Sequence[Duplicates], brought: Sequence[Retrieval]) -> list[str]:
    """Keys of all the images in the galleries."""
    pairs = [pair for group in removed for pair in group.pairs]
    shown = [pair.removed for pair in pairs] + [pair.kept for pair in pairs if pair.kept]
    return shown + [each.query for each in brought if each.query] + [key for each in brought for key, _ in each.found]
