"""Disjoint sets against scipy's components of the whole graph."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dinov2.curation import components as module
from dinov2.curation.components import DisjointSets


def smallest_members(n: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The smallest member of each member's component, of the whole graph at once."""
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
    label = connected_components(graph, directed=False)[1]
    return np.array([np.flatnonzero(label == each).min() for each in range(label.max() + 1)])[label]


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("in_file", [False, True])
def test_roots_are_the_smallest_members_of_the_components(block: int, in_file: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(block)
    left, right = random.integers(0, 400, (2, 300))
    sets = DisjointSets(400, tmp_path / "parents" if in_file else None)
    for start in range(0, len(left), block):
        sets.join(left[start : start + block], right[start : start + block])
    np.testing.assert_array_equal(sets.roots(0, 400), smallest_members(400, left, right))


def test_order_of_edges_and_of_their_ends_changes_nothing() -> None:
    random = np.random.default_rng(0)
    left, right = random.integers(0, 100, (2, 80))
    one, other = DisjointSets(100), DisjointSets(100)
    one.join(left, right)
    order = random.permutation(80)
    for edge in order:
        other.join(right[[edge]], left[[edge]])
    np.testing.assert_array_equal(one.roots(0, 100), other.roots(0, 100))


def test_a_long_chain_that_arrives_backwards_is_one_set() -> None:
    sets = DisjointSets(10_000)
    for first in reversed(range(0, 9_999, 1000)):
        links = np.arange(first, min(first + 1000, 9_999))
        sets.join(links[::-1], links[::-1] + 1)
    assert not sets.roots(0, 10_000).any()


def test_without_edges_each_is_its_own_set() -> None:
    sets = DisjointSets(3)
    sets.join(np.empty(0, np.int64), np.empty(0, np.int64))
    np.testing.assert_array_equal(sets.roots(1, 3), [1, 2])
    assert len(DisjointSets(0).roots(0, 0)) == 0


def test_windows_of_the_file_change_nothing_and_none_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WINDOW", 1 << 18)
    n = 4 << 20
    left, right = np.random.default_rng(0).integers(0, n, (2, 5000))
    before = _memory()
    sets = DisjointSets(n, tmp_path / "parents")
    sets.join(left, right)
    found = sets.roots(0, 1000)
    assert _memory() - before < 8 << 20
    in_memory = DisjointSets(n)
    in_memory.join(left, right)
    np.testing.assert_array_equal(found, in_memory.roots(0, 1000))


def _memory() -> int:
    """Bytes of this process's memory, those of files too."""
    return next(
        int(line.split()[1]) << 10 for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line
    )
