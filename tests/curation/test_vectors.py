"""Matrices of vectors, in memory and in a file, against numpy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dinov2.curation import vectors as module
from dinov2.curation.vectors import Held, Mapped, Part, Vectors
from dinov2.errors import DataError

TRUTH = np.random.default_rng(0).standard_normal((100, 6)).astype(np.float16)


@pytest.fixture(params=["held", "mapped"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[np.ndarray], Vectors]:
    """`make(array)`: the rows of an array (N, D) as vectors."""

    def held(array: np.ndarray) -> Vectors:
        return Held(array)

    def mapped(array: np.ndarray) -> Vectors:
        (tmp_path / "vectors").write_bytes(array.astype("<f2").tobytes())
        return Mapped(tmp_path / "vectors", array.shape[1])

    return held if request.param == "held" else mapped


def test_a_range_of_rows_is_read(make: Callable[[np.ndarray], Vectors]) -> None:
    vectors = make(TRUTH)
    assert (vectors.count, vectors.dim) == TRUTH.shape
    for start, stop in ((0, 100), (0, 1), (37, 61), (99, 100), (5, 5), (90, 200), (100, 101)):
        found = vectors.read(start, stop)
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, TRUTH[start:stop])


def test_rows_are_taken_in_any_order_and_more_than_once(make: Callable[[np.ndarray], Vectors]) -> None:
    rows = np.random.default_rng(1).integers(0, 100, 300)
    found = make(TRUTH).take(rows)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, TRUTH[rows])


def test_more_rows_than_are_touched_at_once(
    make: Callable[[np.ndarray], Vectors], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WINDOW", 7 * 6 * 2)
    rows = np.random.default_rng(2).permutation(100)
    np.testing.assert_array_equal(make(TRUTH).take(rows), TRUTH[rows])


def test_no_rows(make: Callable[[np.ndarray], Vectors]) -> None:
    nothing, no_rows = make(TRUTH[:0]), np.empty(0, np.int64)
    assert (nothing.count, nothing.dim) == (0, 6)
    assert nothing.read(0, 10).shape == nothing.take(no_rows).shape == make(TRUTH).take(no_rows).shape == (0, 6)


def test_what_is_taken_is_a_copy(make: Callable[[np.ndarray], Vectors]) -> None:
    vectors = make(TRUTH.copy())
    vectors.take(np.array([3]))[:] = 0
    np.testing.assert_array_equal(vectors.read(3, 4), TRUTH[3:4])


@pytest.mark.parametrize("row", [100, 1 << 40])
def test_a_row_that_is_not_there_is_refused(make: Callable[[np.ndarray], Vectors], row: int) -> None:
    with pytest.raises(IndexError):
        make(TRUTH).take(np.array([0, row]))


def test_a_part_numbers_its_rows_from_zero_and_ends_with_its_base(make: Callable[[np.ndarray], Vectors]) -> None:
    for start, stop in ((0, 100), (10, 37), (60, 130)):
        part, expected = Part(make(TRUTH), start, stop), TRUTH[start:stop]
        assert (part.count, part.dim) == expected.shape
        np.testing.assert_array_equal(part.read(3, 20), expected[3:20])
        np.testing.assert_array_equal(part.read(5, 1000), expected[5:])
        np.testing.assert_array_equal(part.take(np.array([7, 0, 7])), expected[[7, 0, 7]])


def test_wider_numbers_become_float16() -> None:
    wide = np.random.default_rng(3).standard_normal((9, 4))
    np.testing.assert_array_equal(Held(wide).read(0, 9), wide.astype(np.float16))


def test_a_file_without_whole_rows_is_named(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_bytes(b"0" * 25)
    with pytest.raises(DataError, match=r"vectors: 25 bytes are no whole number of vectors of 6 float16"):
        Mapped(tmp_path / "vectors", 6)


def test_taking_leaves_no_pages_in_memory(tmp_path: Path) -> None:
    rows, dim = 40_000, 512
    with (tmp_path / "vectors").open("wb") as file:
        for start in range(0, rows, 4000):
            np.repeat(np.arange(start, start + 4000) % 2000, dim).astype("<f2").tofile(file)
    vectors = Mapped(tmp_path / "vectors", dim)
    before = _shared_memory()
    wanted = np.arange(0, rows, 3)
    np.testing.assert_array_equal(vectors.take(wanted)[:, -1], (wanted % 2000).astype(np.float16))
    assert _shared_memory() - before < 4 << 20


def _shared_memory() -> int:
    """Bytes of files that count as this process's memory."""
    return next(
        int(line.split()[1]) << 10 for line in Path("/proc/self/status").read_text().splitlines() if "RssFile" in line
    )
