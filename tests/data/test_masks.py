import numpy as np
import pytest
from numpy.random import default_rng
from pydantic import ValidationError

from dinov2.data.masks import MaskConfig, batch_masks, block_mask


@pytest.mark.parametrize("wanted", [0, 4, 20, 64, 128])
def test_a_mask_never_covers_more_than_wanted_and_seldom_much_less(wanted: int) -> None:
    covered = [int(block_mask(16, wanted, default_rng(seed)).sum()) for seed in range(200)]
    assert max(covered) <= wanted
    assert np.mean(covered) >= 0.85 * wanted


def test_ratios_are_stratified_over_the_masked_half_of_the_crops() -> None:
    masks = batch_masks(MaskConfig(), crops=64, side=16, seed=(0, 5), part=slice(0, 64))
    shares = np.sort(masks.mean(1))
    assert (shares[:32] == 0).all()
    edges = np.linspace(0.1, 0.5, 33)
    assert (shares[32:] <= edges[1:] + 1e-9).all()
    assert (shares[32:] >= edges[:-1] - 0.12).all()


def test_parts_of_a_batch_are_those_of_the_whole() -> None:
    whole = batch_masks(MaskConfig(), 24, 8, (1, 2), slice(0, 24))
    parts = [batch_masks(MaskConfig(), 24, 8, (1, 2), slice(start, start + 6)) for start in range(0, 24, 6)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_steps_have_masks_of_their_own() -> None:
    one, other = (batch_masks(MaskConfig(), 16, 8, (0, step), slice(0, 16)) for step in (1, 2))
    assert not np.array_equal(one, other)


def test_masked_crops_are_not_always_the_first() -> None:
    first = [batch_masks(MaskConfig(), 8, 8, (0, step), slice(0, 1)).any() for step in range(60)]
    assert 15 < sum(first) < 45


def test_a_ratio_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValidationError, match="the first must not be above the second"):
        MaskConfig(ratio=(0.5, 0.1))
