"""Sets of edited copies with their ground truth, as a folder or a tar archive of it.

    DIR/
        ground_truth.csv     query, db_image, edit: one row for a pair; no db_image when the query is a copy of nothing
        db/                  images that are searched
        query/               images that are looked up

The columns hold paths relative to DIR.
"""

import csv
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock

from dinov2.data.entries import is_candidate
from dinov2.errors import DataError

TRUTH = "ground_truth.csv"
COLUMNS = ("query", "db_image", "edit")


@dataclass(frozen=True)
class CopySet:
    """What is looked up in what.

    Attributes:
        queries: paths, each once.
        edits: of each query.
        database: paths.
        pairs: (query, database) numbers of the true pairs.
        read: from a path to a file's bytes; may be called in threads.
    """

    queries: list[str]
    edits: list[str]
    database: list[str]
    pairs: list[tuple[int, int]]
    read: Callable[[str], bytes]


def open_set(place: Path) -> CopySet:
    """The set in a folder or a .tar.

    Raises:
        DataError: it has not that layout; says what is missing or wrong.
    """
    names, read = _archive(place) if place.is_file() else _folder(place)
    rows = _rows(place, names, read)
    database = sorted(name for name in names if name.startswith("db/") and is_candidate(name))
    numbers = {name: number for number, name in enumerate(database)}
    edits: dict[str, str] = {}
    pairs = []
    for line, (query, image, edit) in enumerate(rows, 2):
        if query not in names:
            raise DataError(f"{place}: {TRUTH}: line {line}: query {query!r}: no such file")
        if image and image not in numbers:
            raise DataError(f"{place}: {TRUTH}: line {line}: db_image {image!r}: no such image in db/")
        if edits.setdefault(query, edit) != edit:
            raise DataError(f"{place}: {TRUTH}: line {line}: edit {edit!r}, but {edits[query]!r} before")
        if image:
            pairs.append((query, image))
    order = {query: number for number, query in enumerate(edits)}
    found = sorted({(order[query], numbers[image]) for query, image in pairs})
    if not found:
        raise DataError(f"{place}: {TRUTH}: no query has a db_image; there is nothing to find")
    return CopySet(list(edits), list(edits.values()), database, found, read)


def _rows(place: Path, names: set[str], read: Callable[[str], bytes]) -> list[tuple[str, str, str]]:
    if TRUTH not in names:
        raise DataError(f"{place}: no {TRUTH} in it; expected {TRUTH}, db/ and query/")
    try:
        table = csv.DictReader(io.StringIO(read(TRUTH).decode("utf-8-sig")))
        missing = [column for column in COLUMNS if column not in (table.fieldnames or ())]
        if missing:
            raise DataError(f"{place}: {TRUTH}: no column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
        return [(row["query"] or "", row["db_image"] or "", row["edit"] or "") for row in table]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{place}: {TRUTH}: not a CSV in UTF-8: {error}") from None


def _folder(place: Path) -> tuple[set[str], Callable[[str], bytes]]:
    if not place.is_dir():
        raise DataError(f"{place}: no such folder or .tar")
    names = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    return names, lambda name: (place / name).read_bytes()


def _archive(place: Path) -> tuple[set[str], Callable[[str], bytes]]:
    """The files below the folder of the archive that holds the ground truth."""
    try:
        archive = tarfile.open(place)  # noqa: SIM115 - read from for as long as the process lasts
        members = {str(PurePosixPath(member.name)): member for member in archive if member.isfile()}
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{place}: not a whole tar archive: {error}") from None
    truth = min((name for name in members if PurePosixPath(name).name == TRUTH), key=len, default=TRUTH)
    base = truth.removesuffix(TRUTH)
    lock = Lock()

    def read(name: str) -> bytes:
        file = archive.extractfile(members[base + name])
        assert file is not None, "only files were listed"
        with lock:
            return file.read()

    return {name.removeprefix(base) for name in members if name.startswith(base)}, read
