"""Union-find against scipy's connected components."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dinov2.curation.components import DisjointSets


@pytest.mark.parametrize("edges", [0, 50, 200, 500])
def test_same_partition_as_scipy(edges: int) -> None:
    random = np.random.default_rng(edges)
    left, right = random.integers(0, 400, (2, edges))
    sets = DisjointSets(400)
    sets.join(left, right)
    labels = sets.labels()
    _, expected = connected_components(coo_array((np.ones(edges), (left, right)), shape=(400, 400)), directed=False)
    np.testing.assert_array_equal(labels[:, None] == labels, expected[:, None] == expected)


def test_labels_depend_neither_on_order_nor_on_direction() -> None:
    random = np.random.default_rng(7)
    left, right = random.integers(0, 1000, (2, 700))
    shuffled = random.permutation(700)
    one, other = DisjointSets(1000), DisjointSets(1000)
    one.join(left, right)
    other.join(right[shuffled], left[shuffled])
    np.testing.assert_array_equal(one.labels(), other.labels())


def test_labels_count_components_by_their_smallest_member() -> None:
    sets = DisjointSets(5)
    sets.join(np.array([4]), np.array([1]))
    np.testing.assert_array_equal(sets.labels(), [0, 1, 2, 3, 1])


def test_a_long_chain_joined_backwards() -> None:
    sets = DisjointSets(20_000)
    sets.join(np.arange(19_999, 0, -1), np.arange(19_998, -1, -1))
    assert (sets.labels() == 0).all()
