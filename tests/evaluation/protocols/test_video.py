import numpy as np
import pytest
import torch

from dinov2.errors import DataError
from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.linear import LinearConfig, LinearProbe
from dinov2.evaluation.protocols.video import pooled
from dinov2.evaluation.statistics import value_of

CPU = torch.device("cpu")
FRAMES, LAYERS, WIDTH = 4, 2, 6


def clips(count, seed, ordered):
    """Two classes, (count · FRAMES, LAYERS, WIDTH): what is seen differs, or only whether it comes early or late."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    frames = 0.2 * generator.normal(size=(count, FRAMES, LAYERS, WIDTH))
    if ordered:
        frames[np.arange(count), np.where(labels == 1, 0, FRAMES - 1), :, 0] += 4
    else:
        frames[labels == 1, :, :, 0] += 1
    return frames.reshape(-1, LAYERS, WIDTH).astype(np.float32), labels


def accuracy(pooling, ordered):
    parts = []
    for count, seed in ((60, 0), (40, 1)):
        frames, labels = clips(count, seed, ordered)
        parts.append(Examples(pooled(frames, FRAMES, pooling).reshape(count, -1), labels))
    answer = LinearProbe(LinearConfig(iterations=120, batch=32), 0, CPU)(*parts, 2)
    return value_of(answer.statistics["accuracy"])


def test_what_is_seen_shows_in_the_mean():
    assert accuracy("mean", ordered=False) > 0.95


def test_order_shows_in_the_concatenation_alone():
    assert accuracy("concatenation", ordered=True) > 0.95
    assert accuracy("mean", ordered=True) < 0.75


def test_each_layer_has_its_frames_beside_each_other_in_order():
    frames, _ = clips(3, 0, ordered=False)
    found = pooled(frames, FRAMES, "concatenation")
    assert found.shape == (3, LAYERS, FRAMES * WIDTH)
    for clip in range(3):
        for layer in range(LAYERS):
            expected = [frames[clip * FRAMES + frame, layer] for frame in range(FRAMES)]
            np.testing.assert_array_equal(found[clip, layer], np.concatenate(expected))


def test_a_clip_that_lacks_frames_is_refused():
    with pytest.raises(DataError, match="23 frames; each clip has 4"):
        pooled(clips(6, 0, ordered=False)[0][:-1], FRAMES, "mean")
