"""Vectors without some rows, against numpy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dinov2.curation.deduplicate.without import Without
from dinov2.curation.vectors import Held, Mapped

TRUTH = np.random.default_rng(0).standard_normal((60, 6)).astype(np.float16)
REMOVED = [[], [0], [59], [0, 1, 2, 30, 58, 59], list(range(10, 50)), list(range(1, 60, 2)), list(range(60))]

removals = pytest.mark.parametrize("removed", [np.array(each, np.int64) for each in REMOVED], ids=len)


@pytest.fixture(params=["held", "mapped"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[np.ndarray], Without]:
    """`make(removed)`: the vectors of `TRUTH` without these."""
    (tmp_path / "vectors").write_bytes(TRUTH.astype("<f2").tobytes())
    base = Held(TRUTH) if request.param == "held" else Mapped(tmp_path / "vectors", 6)
    return lambda removed: Without(base, removed)


@removals
def test_any_range_of_the_rest_is_read(make: Callable[[np.ndarray], Without], removed: np.ndarray) -> None:
    found, expected = make(removed), np.delete(TRUTH, removed, axis=0)
    assert (found.count, found.dim) == expected.shape
    for start in range(61):
        for stop in range(start, 62):
            np.testing.assert_array_equal(found.read(start, stop), expected[start:stop])


@removals
def test_any_of_the_rest_are_taken(make: Callable[[np.ndarray], Without], removed: np.ndarray) -> None:
    found, expected = make(removed), np.delete(TRUTH, removed, axis=0)
    numbers = np.random.default_rng(1).permutation(np.repeat(np.arange(len(expected)), 2))
    np.testing.assert_array_equal(found.take(numbers), expected[numbers])
    np.testing.assert_array_equal(found.rows(numbers), np.delete(np.arange(60), removed)[numbers])


def test_a_sparse_stretch_is_not_read_as_a_whole() -> None:
    class NeverRead(Held):
        def read(self, start: int, stop: int) -> np.ndarray:
            raise AssertionError(f"rows {start} to {stop} were read")

    without = Without(NeverRead(TRUTH), np.arange(10, 50))
    np.testing.assert_array_equal(without.read(9, 11), TRUTH[[9, 50]])
