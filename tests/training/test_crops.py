import numpy as np
import pytest
import torch

from dinov2.data.images import normalise
from dinov2.models.depth import Kept, Zeroed
from dinov2.models.packing import Layout
from dinov2.training.crops import Crops, Depth
from tests.training.small import GROUP, PATCHES, make_crops, make_parts

DEPTH = Depth(seed=5, size=4, branches=6, drop_path=0.5)


def test_parts_are_numbered_by_their_groups_from_the_first_on() -> None:
    parts = make_parts(2, batch=8, first=6)
    assert len(parts) == 2
    assert [part.groups for part in parts] == [range(6, 6 + 4 // GROUP), range(6 + 4 // GROUP, 6 + 8 // GROUP)]
    for part, batch in zip(parts, parts.batches, strict=True):
        assert torch.equal(part.globals, normalise(batch.globals))
        assert torch.equal(part.locals, normalise(batch.locals))
        assert part.hidden is not None
        assert torch.equal(part.hidden, batch.masks)
        assert torch.equal(part.predicted, batch.masks)


def test_parts_can_be_gone_through_again() -> None:
    parts = make_parts(2)
    first, second = ([part.groups for part in parts] for _ in range(2))
    assert first == second


def test_in_distillation_nothing_is_hidden_and_every_patch_predicted() -> None:
    (part,) = type(parts := make_parts(1))(parts.batches, parts.device, True, 0, GROUP)
    assert part.hidden is None
    assert part.predicted.all()
    assert torch.equal(part.chosen, torch.arange(len(part.globals) * PATCHES))


def test_chosen_patches_are_counted_over_all_crops() -> None:
    predicted = torch.tensor([[False, True, True], [False, False, False], [True, False, False]])
    crops = Crops(torch.empty(3, 3, 1, 1), torch.empty(0), predicted, predicted)
    assert crops.chosen.tolist() == [1, 2, 6]


def test_keys_of_a_group_are_the_same_in_whichever_part_it_lies() -> None:
    counts = (2, 3)
    whole = [part.view(6, count, 4, 4) for part, count in zip(DEPTH.keys(9, range(2, 6), counts), counts, strict=True)]
    for groups in (range(2, 3), range(3, 5), range(5, 6)):
        own = [groups.start - 2, groups.stop - 2]
        for part, count, kind in zip(DEPTH.keys(9, groups, counts), counts, whole, strict=True):
            assert torch.equal(part.view(6, count, len(groups), 4), kind[:, :, slice(*own)])


def test_keys_are_a_function_of_seed_step_and_group_and_repeat_nowhere() -> None:
    def keys(seed: int, step: int, group: int) -> torch.Tensor:
        (found,) = Depth(seed, 4, 6, 0.5).keys(step, range(group, group + 1), [2])
        return found

    assert torch.equal(keys(1, 2, 3), keys(1, 2, 3))
    places = [(1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4), (2, 1, 3), (3, 2, 1)]
    assert len(torch.cat([keys(*place) for place in places]).unique()) == len(places) * 6 * 2 * 4


def test_keys_are_uniform_in_every_branch_and_place() -> None:
    drawn = torch.stack([DEPTH.keys(step, range(2), [2])[0] for step in range(1500)])
    assert drawn.shape == (1500, 6, 16)
    assert ((drawn >= 0) & (drawn < 1)).all()
    # Means of 1500 uniform numbers have a deviation of 0.0075.
    assert (drawn.mean(0) - 0.5).abs().max() < 0.04
    counts = torch.histc(drawn, bins=10, min=0, max=1) / drawn.numel()
    assert (counts - 0.1).abs().max() < 0.005
    across = np.corrcoef(drawn.flatten(1).T.numpy())
    assert np.abs(across - np.eye(len(across))).max() < 0.15


def test_each_sequence_is_kept_as_often_as_any_other() -> None:
    crops, depth = make_crops(0), Depth(5, GROUP, 4, 0.5)
    layout, kept = Layout(((8, 1), (8, 1))), torch.zeros(16)
    for step in range(400):
        draw = depth.draw(step, crops)
        assert draw is not None
        for branch in draw(layout):
            assert isinstance(branch, Kept)
            kept[branch.rows] += 1
    assert (kept / 1600 - 0.5).abs().max() < 0.06


def test_the_way_before_dinov2_drops_the_same_sequences() -> None:
    crops, layout = make_crops(0), Layout(((8, 5), (8, 3)))
    draws = [Depth(5, GROUP, 4, 0.5, zeroed).draw(3, crops) for zeroed in (False, True)]
    assert draws[0] is not None
    assert draws[1] is not None
    for kept, zeroed in zip(draws[0](layout), draws[1](layout), strict=True):
        assert isinstance(kept, Kept)
        assert isinstance(zeroed, Zeroed)
        assert torch.equal(kept.rows.sort().values, zeroed.factors[:, 0].nonzero()[:, 0])
        assert (zeroed.factors[kept.rows] == kept.scale).all()


@pytest.mark.parametrize("local_count", [0, 2])
def test_without_stochastic_depth_there_is_no_draw(local_count: int) -> None:
    crops = make_crops(0, local_count)
    assert Depth(5, GROUP, 4, 0.0).draw(1, crops) is None
    assert Depth(5, GROUP, 4, 0.5).draw(1, crops) is not None
