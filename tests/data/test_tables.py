"""Tables larger than memory."""

import os
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.data import tables
from dinov2.data.tables import create_table, database, stream, temporary_folder, write_stream

SCHEMA = pa.schema([("name", pa.string()), ("number", pa.int32())])


def table(count: int) -> pa.Table:
    return pa.table({"name": [f"n{number}" for number in range(count)], "number": range(count)}, schema=SCHEMA)


def batches(count: int, *sizes: int) -> Iterator[pa.RecordBatch]:
    """The table in batches of these sizes, over and over, with columns in another order and of another type."""
    whole, start, turn = table(count).select(["number", "name"]), 0, 0
    whole = whole.set_column(0, "number", whole["number"].cast(pa.int64()))
    while start < count:
        size = sizes[turn % len(sizes)]
        yield pa.RecordBatch.from_struct_array(whole.slice(start, size).to_struct_array().combine_chunks())
        start, turn = start + size, turn + 1


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with database(tmp_path / "spill", 1, 2) as opened:
        yield opened


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_row_groups_are_equal_however_batches_come(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS", 100)
    found = []
    for number, sizes in enumerate([(1000,), (1,), (7, 130, 100), (100,), (0, 33)]):
        path = tmp_path / f"{number}.parquet"
        assert write_stream(path, batches(count, *sizes), SCHEMA) == count
        found.append(path.read_bytes())
    assert len(set(found)) == 1
    file = pq.ParquetFile(tmp_path / "0.parquet")
    assert file.read().equals(table(count))
    groups = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    assert groups == [100] * (count // 100) + [count % 100] * (count % 100 > 0)


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    def fails() -> Iterator[pa.RecordBatch]:
        yield from batches(10, 3)
        raise RuntimeError

    path = tmp_path / "file.parquet"
    with pytest.raises(RuntimeError):
        write_stream(path, fails(), SCHEMA)
    assert list(tmp_path.iterdir()) == []
    write_stream(path, batches(5, 5), SCHEMA)
    with pytest.raises(RuntimeError):
        write_stream(path, fails(), SCHEMA)
    assert pq.read_table(path).equals(table(5))
    assert list(tmp_path.iterdir()) == [path]


def test_a_number_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    wide = pa.record_batch({"name": ["a"], "number": [2**31]})
    with pytest.raises(pa.ArrowInvalid):
        write_stream(tmp_path / "file.parquet", [wide], SCHEMA)


def test_a_query_is_streamed_in_its_order(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH", 1000)
    found = list(stream(connection, "SELECT n * 7 % 10007 AS n FROM range($count) t(n) ORDER BY n", {"count": 10007}))
    assert max(batch.num_rows for batch in found) <= 2048
    assert np.concatenate([batch["n"].to_numpy() for batch in found]).tolist() == list(range(10007))


def test_batches_become_a_table_by_the_order_of_their_columns(connection: duckdb.DuckDBPyConnection) -> None:
    parts = [pa.record_batch({"a": [1, 2], "b": ["x", "y"]}), pa.record_batch({"a": [3], "b": ["z"]})]
    create_table(connection, "made", "number INTEGER, name VARCHAR", parts)
    assert connection.sql("SELECT * FROM made ORDER BY number").fetchall() == [(1, "x"), (2, "y"), (3, "z")]
    create_table(connection, "empty", "number INTEGER", [])
    assert connection.sql("SELECT * FROM empty").fetchall() == []


def test_more_than_the_memory_goes_to_files_that_are_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "spill"
    with database(folder, 0.1, 1) as opened:
        rows = opened.sql("SELECT n, hash(n)::VARCHAR AS h FROM range(3000000) t(n) ORDER BY h").to_arrow_reader(
            1 << 14
        )
        assert next(iter(rows)).num_rows
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > 1 << 20
    assert list(folder.iterdir()) == []


def test_an_error_leaves_no_files_either(tmp_path: Path) -> None:
    with pytest.raises(duckdb.Error), database(tmp_path / "spill", 1, 1) as opened:
        opened.execute("SELECT * FROM nowhere")
    assert list((tmp_path / "spill").iterdir()) == []


def test_a_temporary_folder_is_gone_afterwards_and_so_are_those_of_killed_processes(tmp_path: Path) -> None:
    killed = get_context("fork").Process(target=_killed, args=(tmp_path,))
    killed.start()
    killed.join()
    (left,) = tmp_path.iterdir()
    assert (left / "draft").exists()
    (tmp_path / "work-of-another-kind").mkdir()
    with temporary_folder(tmp_path, "other-"):
        assert left.exists(), "only its own kind is swept"
    with temporary_folder(tmp_path, "work-") as mine:
        assert not left.exists()
        (mine / "draft").touch()
        with temporary_folder(tmp_path, "work-") as other:
            assert (mine / "draft").exists(), "its owner lives"
            assert other != mine
    assert [path.name for path in tmp_path.iterdir()] == ["work-of-another-kind"]


def _killed(folder: Path) -> None:
    with temporary_folder(folder, "work-") as mine:
        (mine / "draft").touch()
        os._exit(9)
