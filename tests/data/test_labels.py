"""What folders tell, for a folder on a disk and for members of archives."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dinov2.data.labels import told_by_folders
from dinov2.data.tables import database


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with database(tmp_path, 0.25, 1) as connection:
        yield connection


def told(
    tables: duckdb.DuckDBPyConnection, files: tuple[str, ...], wrapped: bool = False, **labels: str
) -> dict[str, tuple[str | None, str | None]]:
    """(label, split) of each path; `labels` are those of an entry's own, by path without suffix."""
    tables.execute("CREATE TABLE entries (label VARCHAR, folders VARCHAR)")
    tables.executemany("INSERT INTO entries VALUES (?, ?)", [(labels.get(Path(path).stem), path) for path in files])
    found = told_by_folders(tables, "entries", wrapped)
    rows = tables.execute(f"SELECT folders, {found.label}, {found.split} FROM entries").fetchall()
    return {path: (label, split) for path, label, split in rows}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("a.jpg", "b.jpg"), {"a.jpg": (None, None), "b.jpg": (None, None)}),
        (("images/a.jpg", "images/b.jpg"), {"images/a.jpg": (None, None)}),
        (
            ("cat/a.jpg", "dog/x/b.jpg", "c.jpg"),
            {"cat/a.jpg": ("cat", None), "dog/x/b.jpg": ("dog", None), "c.jpg": (None, None)},
        ),
        (("train/cat/a.jpg", "val/dog/b.jpg"), {"train/cat/a.jpg": ("cat", "train"), "val/dog/b.jpg": ("dog", "test")}),
        (("train/a.jpg", "test/b.jpg"), {"train/a.jpg": (None, "train"), "test/b.jpg": (None, "test")}),
        (
            ("validation/cat/a.jpg", "valid/dog/b.jpg"),
            {"validation/cat/a.jpg": ("cat", "test"), "valid/dog/b.jpg": ("dog", "test")},
        ),
        (("train/a.jpg", "plane/b.jpg"), {"train/a.jpg": ("train", None), "plane/b.jpg": ("plane", None)}),
    ],
)  # fmt: skip
def test_folders_tell_labels_and_splits(
    files: tuple[str, ...], expected: dict, tables: duckdb.DuckDBPyConnection
) -> None:
    found = told(tables, files)
    assert {path: found[path] for path in expected} == expected


@pytest.mark.parametrize("outer", ["", "caltech/"])
def test_what_wraps_an_archive_tells_nothing(outer: str, tables: duckdb.DuckDBPyConnection) -> None:
    found = told(tables, (f"{outer}cat/1.jpg", f"{outer}dog/2.jpg"), wrapped=True)
    assert list(found.values()) == [("cat", None), ("dog", None)]


def test_a_wrapping_may_hold_splits_and_a_split_is_no_wrapping(tables: duckdb.DuckDBPyConnection) -> None:
    assert list(told(tables, ("x/train/cat/1.jpg", "x/test/dog/2.jpg"), wrapped=True).values()) == [
        ("cat", "train"),
        ("dog", "test"),
    ]
    tables.execute("DROP TABLE entries")
    assert list(told(tables, ("test/cat/1.jpg", "test/dog/2.jpg"), wrapped=True).values()) == [
        ("cat", "test"),
        ("dog", "test"),
    ]


def test_one_label_of_its_own_silences_all_folders(tables: duckdb.DuckDBPyConnection) -> None:
    found = told(tables, ("train/cat/1.jpg", "train/dog/2.jpg"), **{"1": "bird"})
    assert list(found.values()) == [("bird", None), (None, None)]
