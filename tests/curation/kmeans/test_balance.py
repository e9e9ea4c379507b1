"""Shares of clusters against dealing out by hand."""

import numpy as np
import pytest

from dinov2.curation.kmeans import quotas


def levelled(sizes: list[int], target: int) -> list[int]:
    """Deal out one by one, always to the first of those that have least and are not used up."""
    shares = [0] * len(sizes)
    for _ in range(min(target, sum(sizes))):
        open_ = [place for place, size in enumerate(sizes) if shares[place] < size]
        shares[min(open_, key=lambda place: shares[place])] += 1
    return shares


@pytest.mark.parametrize("target", [0, 1, 4, 5, 6, 17, 30, 41, 42, 43, 1000])
def test_clusters_of_one_level_share_as_if_dealt_out_one_by_one(target: int) -> None:
    sizes = [3, 0, 20, 1, 9, 9]
    assert quotas(np.array(sizes), (), target).tolist() == levelled(sizes, target)


def test_every_level_shares_what_it_got_from_above() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        sizes = random.integers(0, 30, 40)
        parents = (random.integers(0, 9, 40), random.integers(0, 3, 9))
        target = int(random.integers(0, sizes.sum() + 5))
        found = quotas(sizes, parents, target)
        assert found.sum() == min(target, sizes.sum())
        middle = np.bincount(parents[0], sizes, 9).astype(int)
        top = levelled(np.bincount(parents[1], middle, 3).astype(int).tolist(), target)
        for cluster in range(3):
            below = np.flatnonzero(parents[1] == cluster)
            shares = levelled(middle[below].tolist(), top[cluster])
            for child, share in zip(below, shares, strict=True):
                lowest = np.flatnonzero(parents[0] == child)
                assert found[lowest].tolist() == levelled(sizes[lowest].tolist(), share)
