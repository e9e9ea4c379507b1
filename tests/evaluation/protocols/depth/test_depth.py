import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from dinov2.errors import DataError
from dinov2.evaluation.protocols.dense import ArraySource, View
from dinov2.evaluation.protocols.dense.source import held_out
from dinov2.evaluation.protocols.depth import DepthConfig, DepthEstimation
from dinov2.evaluation.protocols.depth.bins import BinsHead
from dinov2.evaluation.protocols.depth.dpt import DptHead
from dinov2.evaluation.protocols.depth.train import rate_at
from dinov2.evaluation.statistics import value_of

CPU = torch.device("cpu")
SHORT = DepthConfig(iterations=40, batch=4, rates=(1e-1,), bins=32, fusion=4, warmup=0.1)
CHOOSING = SHORT.model_copy(update={"rates": (1e-1, 1e-6)})
NEAR, FAR, WIDTH = 0.5, 8.0, 6


def rooms(count, seed, layers=1):
    """Slopes of depth from left to right, and patches that hold the depth at their middle among noise."""
    generator = np.random.default_rng(seed)
    ends = generator.uniform(1, 6, (count, 2))
    maps = np.stack([np.broadcast_to(np.linspace(*pair, 32), (24, 32)) for pair in ends]).astype(np.float32)
    grid = maps.reshape(count, 6, 4, 8, 4).mean((2, 4))
    patches = 0.1 * generator.normal(size=(count, 6, 8, layers, WIDTH))
    patches[..., 0] += grid[..., None] / 3 - 1
    patches[..., 1] += 1
    return ArraySource(patches.astype(np.float32), np.zeros((count, layers, WIDTH), np.float32)), maps


def run(config=SHORT, layers=1, spoil=lambda maps: maps, views=None, watcher=None):
    train, maps = rooms(16, 1, layers)
    test, answers = rooms(8, 2, layers)
    answers = spoil(answers.copy())
    protocol = DepthEstimation(config, NEAR, FAR, 0, CPU)
    seen = views(test) if views else [View(test)]
    return protocol(train, lambda number: maps[number], seen, lambda number: answers[number], watcher)


def constant_rmse():
    return float(np.mean([np.sqrt(((each - 3.5) ** 2).mean()) for each in rooms(8, 2)[1]]))


@pytest.mark.parametrize("layers", [1, 4])
def test_depth_that_patches_tell_is_found_linearly(layers):
    answer = run(CHOOSING, layers=layers)
    assert value_of(answer.statistics["rmse"]) < constant_rmse() / 2
    assert value_of(answer.statistics["delta_1"]) > 0.8
    assert answer.details == {"learning_rate": 1e-1, "held_out": 2, "without_truth": 0, "views": 1}


def test_a_dpt_head_learns_depth():
    answer = run(SHORT.model_copy(update={"head": "dpt", "rates": (1e-2,)}), layers=4)
    assert value_of(answer.statistics["rmse"]) < constant_rmse() / 2


def test_a_test_image_without_a_reading_is_left_out_and_counted():
    def blind(maps):
        maps[[2, 5]] = 0
        return maps

    whole, part = run(), run(spoil=blind)
    assert part.details["without_truth"] == 2
    kept = [0, 1, 3, 4, 6, 7]
    np.testing.assert_allclose(part.statistics["rmse"].values_n, whole.statistics["rmse"].values_n[kept])


def test_maps_without_any_reading_are_refused():
    with pytest.raises(DataError, match="no image has a pixel with a truth"):
        run(spoil=lambda maps: 0 * maps)
    source, maps = rooms(5, 0)
    protocol = DepthEstimation(SHORT, NEAR, FAR, 0, CPU)
    with pytest.raises(DataError, match="no map of 5 training images has a reading"):
        protocol(source, lambda _: 0 * maps[0], [View(source)], lambda number: maps[number])


def test_held_out_maps_without_a_reading_choose_nothing():
    source, maps = rooms(16, 1)
    maps[held_out(16, CHOOSING.held_out, 0)] = 0
    protocol = DepthEstimation(CHOOSING, NEAR, FAR, 0, CPU)
    answer = protocol(source, lambda number: maps[number], [View(source)], lambda number: rooms(16, 1)[1][number])
    assert answer.details["held_out"] == 0
    assert answer.details["learning_rate"] == CHOOSING.rates[1]


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="features of 1 layers; DPT reads 4"):
        run(SHORT.model_copy(update={"head": "dpt"}))
    with pytest.raises(DataError, match="16 training images and 0 views"):
        run(views=lambda _: [])


def test_predictions_can_be_watched():
    seen = {}
    answer = run(watcher=seen.__setitem__)
    _, truths = rooms(8, 2)
    errors = [np.sqrt(((seen[number] - truth) ** 2).mean()) for number, truth in enumerate(truths)]
    np.testing.assert_allclose(answer.statistics["rmse"].values_n, errors, rtol=1e-5)


def test_a_mirrored_view_is_turned_back():
    def both(test):
        mirrored = ArraySource(test.patches[:, :, ::-1], test.cls)
        return [View(test), View(mirrored, flipped=True)]

    one, two = run(), run(views=both)
    np.testing.assert_allclose(one.statistics["rmse"].values_n, two.statistics["rmse"].values_n, rtol=1e-4)


def test_the_same_seed_gives_the_same_answer():
    first, second = (run().statistics["abs_rel"].values_n for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_enlarging_scores_is_enlarging_tokens():
    torch.manual_seed(0)
    head = BinsHead(2, WIDTH, NEAR, FAR, 16)
    patches, cls = torch.randn(3, 4, 5, 2, WIDTH), torch.randn(3, 2, WIDTH)
    beside = torch.cat([patches.flatten(3), cls.flatten(1)[:, None, None].expand(-1, 4, 5, -1)], dim=3)
    large = interpolate(beside.permute(0, 3, 1, 2), scale_factor=4, mode="bilinear").permute(0, 2, 3, 1)
    weight = torch.cat([head.of_patches.weight, head.of_cls.weight], dim=1)
    shares = (large @ weight.T + head.of_patches.bias).clamp(min=0) + 0.1
    expected = (shares / shares.sum(3, keepdim=True)) @ torch.linspace(NEAR, FAR, 16)
    torch.testing.assert_close(head(patches, cls), expected)
    assert NEAR <= head(patches, cls).min() <= head(patches, cls).max() <= FAR


@pytest.mark.parametrize("grid", [(4, 6), (5, 7), (1, 1)])
def test_dpt_answers_at_sixteen_times_the_grid(grid):
    torch.manual_seed(0)
    head = DptHead(8, NEAR, FAR, fusion=6)
    patches, cls = torch.randn(2, *grid, 4, 8, requires_grad=True), torch.randn(2, 4, 8, requires_grad=True)
    found = head(patches, cls)
    assert found.shape == (2, 16 * grid[0], 16 * grid[1])
    assert ((found > NEAR) & (found < FAR)).all()
    found.sum().backward()
    assert all((patches.grad[:, :, :, level] != 0).any() and (cls.grad[:, level] != 0).any() for level in range(4))
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_the_rate_is_a_cosine_under_a_warm_up():
    config = DepthConfig(iterations=90)
    rates = [rate_at(step, config) for step in range(91)]
    assert rates[0] == pytest.approx(1 / 30)
    assert rates[45] == pytest.approx(0.5)
    assert rates[90] == pytest.approx(0)
    assert np.argmax(rates) in range(20, 31)
