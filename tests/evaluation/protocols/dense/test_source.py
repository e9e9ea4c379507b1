from itertools import islice

import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.protocols.dense import ArraySource, View
from dinov2.evaluation.protocols.dense import source as sources
from dinov2.evaluation.protocols.dense.source import held_out, remembered, seen_together, shuffled


def numbered(count=10):
    """Image i has i everywhere."""
    filled = np.arange(count, dtype=np.float16)
    return ArraySource(
        np.broadcast_to(filled[:, None, None, None, None], (count, 2, 3, 1, 4)),
        np.broadcast_to(filled[:, None, None], (count, 1, 4)),
    )


def test_batches_come_in_the_order_asked_for():
    batches = list(numbered().batches(np.array([3, 1, 4, 1, 5]), 2))
    assert [batch.index.tolist() for batch in batches] == [[3, 1], [4, 1], [5]]
    for batch in batches:
        assert (batch.patches[:, 1, 2, 0, 0] == batch.index).all()
        assert (batch.cls[:, 0, 3] == batch.index).all()


def test_a_memory_map_is_a_source_of_what_lies_on_disk(tmp_path):
    source = numbered()
    np.save(tmp_path / "patches.npy", source.patches)
    mapped = ArraySource(np.load(tmp_path / "patches.npy", mmap_mode="r"), source.cls)
    (found,) = mapped.batches(np.array([7, 2]), 2)
    np.testing.assert_array_equal(found.patches[:, 0, 0, 0, 0], [7, 2])
    assert (mapped.count, mapped.layers, mapped.width) == (10, 1, 4)


def test_every_image_comes_once_a_round_and_rounds_differ():
    among = np.array([1, 2, 5, 7, 8])
    batches = list(islice(shuffled(numbered(), among, 2, seed=0), 6))
    rounds = [np.concatenate([batch.index for batch in part]) for part in (batches[:3], batches[3:])]
    assert all(sorted(each.tolist()) == among.tolist() for each in rounds)
    assert rounds[0].tolist() != rounds[1].tolist()
    again = next(shuffled(numbered(), among, 2, seed=0))
    assert again.index.tolist() == batches[0].index.tolist()


def test_views_of_an_image_come_together():
    views = [View(numbered()), View(numbered(), flipped=True)]
    for number, seen in seen_together(views):
        assert [(batch.index.tolist(), flipped) for batch, flipped in seen] == [([number], False), ([number], True)]
    with pytest.raises(DataError, match="views of 10, 11 images"):
        next(seen_together([View(numbered()), View(numbered(11))]))


def test_arrays_of_other_images_are_refused():
    with pytest.raises(DataError, match="not of the same images"):
        ArraySource(np.zeros((3, 2, 2, 1, 4)), np.zeros((2, 1, 4)))


@pytest.mark.parametrize(("count", "expected"), [(100, 10), (3, 1), (2, 1), (1, 0)])
def test_a_share_of_the_images_is_held_out_but_never_all(count, expected):
    assert held_out(count, 0.1, 0).sum() == expected


def test_truths_are_read_once_as_far_as_there_is_room(monkeypatch):
    monkeypatch.setattr(sources, "REMEMBERED", 2 * 24)
    read = []

    def truth(number):
        read.append(number)
        return np.full(3, number)

    kept = remembered(truth)
    assert [kept(number)[0] for number in (5, 6, 7, 5, 6, 7)] == [5, 6, 7, 5, 6, 7]
    assert read == [5, 6, 7, 7]
