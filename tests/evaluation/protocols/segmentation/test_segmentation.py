import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

from dinov2.errors import DataError
from dinov2.evaluation.protocols.dense import ArraySource, View
from dinov2.evaluation.protocols.dense.source import held_out
from dinov2.evaluation.protocols.segmentation import Segmentation, SegmentationConfig
from dinov2.evaluation.protocols.segmentation import predict as predicting
from dinov2.evaluation.protocols.segmentation.heads import Heads
from dinov2.evaluation.protocols.segmentation.predict import predict
from dinov2.evaluation.protocols.segmentation.train import rate_at
from dinov2.evaluation.sets.task import IGNORE
from dinov2.evaluation.statistics import value_of

CPU = torch.device("cpu")
SHORT = SegmentationConfig(iterations=80, batch=4, rates=(1e-2,), pixels=64)
CHOOSING = SHORT.model_copy(update={"rates": (1e-2, 1e-5)})
CLASSES, WIDTH, PATCH = 3, 6, 4


def scenes(count, seed, noise=0.3):
    """Images of 8 × 8 patches of 4 pixels: left and right halves of two classes, patches that tell the class."""
    generator = np.random.default_rng(seed)
    grids = np.repeat(generator.integers(0, CLASSES, (count, 1, 2)), 4, axis=2).repeat(8, axis=1)
    codes = np.random.default_rng(99).normal(size=(CLASSES, WIDTH))
    patches = codes[grids] + noise * generator.normal(size=(*grids.shape, WIDTH))
    masks = grids.repeat(PATCH, axis=1).repeat(PATCH, axis=2).astype(np.int16)
    return ArraySource(patches[:, :, :, None].astype(np.float16), np.zeros((count, 1, WIDTH), np.float16)), masks


def run(config=SHORT, seed=0, test_masks=None, noise=0.3, watcher=None):
    train, masks = scenes(20, 1, noise)
    test, answers = scenes(10, 2, noise)
    answers = answers if test_masks is None else test_masks(answers)
    protocol = Segmentation(config, seed, CPU)
    return protocol(train, lambda i: masks[i], [View(test)], lambda i: answers[i], CLASSES, watcher)


def test_classes_that_patches_tell_are_found():
    answer = run(CHOOSING)
    assert value_of(answer.statistics["miou"]) > 0.95
    assert value_of(answer.statistics["pixel_accuracy"]) > 0.97
    assert answer.statistics["miou"].count == 10
    assert answer.details == {"learning_rate": 1e-2, "held_out": 2, "unseen_classes": 0, "views": 1}


def test_predictions_can_be_watched():
    seen = {}
    answer = run(watcher=seen.__setitem__)
    _, truths = scenes(10, 2)
    right = np.mean([seen[number] == truth for number, truth in enumerate(truths)])
    assert value_of(answer.statistics["pixel_accuracy"]) == pytest.approx(right)


def test_patches_of_noise_are_no_better_than_the_largest_class():
    assert value_of(run(noise=100.0).statistics["miou"]) < 0.45


def test_the_rate_is_chosen_without_the_test_images():
    right, wrong = run(CHOOSING), run(CHOOSING, test_masks=lambda masks: (masks + 1) % CLASSES)
    assert right.details == wrong.details
    assert value_of(wrong.statistics["miou"]) < 0.05


def test_the_same_seed_gives_the_same_answer():
    weights = np.random.default_rng(0).random((4, 10))
    first, second = (run(seed=3).statistics["miou"](weights) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_pixels_that_do_not_count_teach_nothing_and_cost_nothing():
    train, masks = scenes(20, 1)
    test, answers = scenes(10, 2)
    masks, answers = masks.copy(), answers.copy()
    masks[:, ::2] = IGNORE
    answers[:, :10] = IGNORE
    protocol = Segmentation(SHORT, 0, CPU)
    answer = protocol(train, lambda number: masks[number], [View(test)], lambda number: answers[number], CLASSES + 1)
    assert value_of(answer.statistics["miou"]) > 0.95
    assert answer.details["unseen_classes"] == 1
    with pytest.raises(DataError, match="no pixel drawn from 20 training images has a class"):
        protocol(train, lambda _: np.full_like(masks[0], IGNORE), [View(test)], lambda n: answers[n], CLASSES)


def test_held_out_images_without_any_class_choose_nothing():
    train, masks = scenes(20, 1)
    test, answers = scenes(10, 2)
    masks = masks.copy()
    masks[held_out(20, CHOOSING.held_out, 0)] = IGNORE
    protocol = Segmentation(CHOOSING, 0, CPU)
    answer = protocol(train, lambda number: masks[number], [View(test)], lambda number: answers[number], CLASSES)
    assert answer.details["held_out"] == 0
    assert np.isfinite(value_of(answer.statistics["miou"]))


def test_what_cannot_be_judged_is_refused():
    train, masks = scenes(4, 1)
    protocol = Segmentation(SHORT, 0, CPU)
    with pytest.raises(DataError, match="views of no images"):
        protocol(train, lambda number: masks[number], [], lambda number: masks[number], CLASSES)
    broken = ArraySource(np.where(train.patches > 1, np.inf, train.patches), train.cls)
    with pytest.raises(DataError, match="are not finite"):
        protocol(broken, lambda number: masks[number], [View(broken)], lambda number: masks[number], CLASSES)
    wide = ArraySource(np.repeat(train.patches, 2, axis=3), np.repeat(train.cls, 2, axis=1))
    with pytest.raises(DataError, match="train and test are alike"):
        protocol(train, lambda number: masks[number], [View(wide)], lambda number: masks[number], CLASSES)


def test_folded_heads_are_a_batch_norm_and_a_convolution():
    generator = torch.Generator().manual_seed(0)
    heads = Heads(WIDTH, CLASSES, 2, generator)
    norm, convolution = nn.BatchNorm2d(WIDTH), nn.Conv2d(WIDTH, CLASSES, 1)
    with torch.no_grad():
        for own, other in zip(heads.of(1)[:2], (convolution.weight, convolution.bias), strict=True):
            other.copy_(own.normal_(generator=generator).t().reshape(other.shape))
        for own, other in zip(heads.of(1)[2:], (norm.weight, norm.bias), strict=True):
            other.copy_(own.normal_(generator=generator))
    x_bhwc = torch.randn(4, 5, 3, WIDTH, generator=generator)
    labels = torch.randint(CLASSES, (60,), generator=generator)
    found = heads(heads.normalised(x_bhwc))[..., 1, :].flatten(0, 2)
    expected = convolution(norm(x_bhwc.permute(0, 3, 1, 2))).permute(0, 2, 3, 1).flatten(0, 2)
    torch.testing.assert_close(found, expected)
    cross_entropy(found, labels).backward()
    cross_entropy(expected, labels).backward()
    torch.testing.assert_close(heads.weight[1].grad, convolution.weight.grad[:, :, 0, 0].T)
    torch.testing.assert_close(heads.gain[1].grad, norm.weight.grad)
    torch.testing.assert_close(heads.shift[1].grad, norm.bias.grad)
    assert heads.weight[0].grad.abs().sum() == 0
    torch.testing.assert_close(heads.norm.running_var, norm.running_var)


@pytest.mark.parametrize("at_once", [2**25, 100])
def test_views_are_enlarged_mirrored_back_and_added_up(at_once, monkeypatch):
    monkeypatch.setattr(predicting, "VALUES_AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(0)
    heads = Heads(WIDTH, CLASSES, 1, generator).eval()
    with torch.no_grad():
        heads.weight[0].normal_(generator=generator)
    grids = [torch.randn(1, side, side + 1, WIDTH, generator=generator) for side in (3, 5)]
    sources = [ArraySource(grid[:, :, :, None].numpy(), np.zeros((1, 1, WIDTH), np.float32)) for grid in grids]
    seen = [
        (next(source.batches(np.array([0]), 1)), flipped)
        for source, flipped in zip(sources, (False, True), strict=True)
    ]
    found = predict(heads, 0, seen, (17, 13), CPU)
    chances = 0
    with torch.no_grad():
        for grid, flipped in zip(grids, (False, True), strict=True):
            logits = (grid / (1 + heads.norm.eps) ** 0.5) @ heads.weight[0]
            large = interpolate(logits.permute(0, 3, 1, 2), size=(17, 13), mode="bilinear", align_corners=False)
            chances = chances + (large.flip(3) if flipped else large).softmax(1)
    np.testing.assert_array_equal(found, chances[0].argmax(0).numpy())


def test_the_rate_rises_then_falls_to_nothing():
    config = SegmentationConfig(iterations=100, warmup=0.1)
    rates = [rate_at(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert np.argmax(rates) == 9
    assert rates[55] == pytest.approx(0.45)
    assert rates[100] == 0
