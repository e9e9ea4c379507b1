import numpy as np
import pytest
import torch

from dinov2.evaluation.backbones import OwnBackbone
from dinov2.evaluation.features import Extractor, Request, SomeLayers, Whole, folder_images
from dinov2.evaluation.features.dense import StoredDense
from dinov2.evaluation.protocols.dense import ArraySource
from dinov2.evaluation.sets.task import Image
from tests.evaluation.features.counting import Counting
from tests.evaluation.sets.making import image

CPU = torch.device("cpu")
SIZES = [(32, 48), (32, 48), (48, 32), (32, 48), (40, 40), (32, 48), (32, 48)]


@pytest.fixture
def counting(backbone):
    return Counting(OwnBackbone(backbone, CPU))


@pytest.fixture
def request_(tmp_path):
    for number, (height, width) in enumerate(SIZES):
        image(tmp_path / "set" / f"{number}.png", height, width, number)
    images = [Image(f"{number}.png", tmp_path / "set") for number in range(len(SIZES))]
    return Request("test", folder_images(images), Whole(32, 8), (0, 1), dense=True)


def by_hand(counting, request, number):
    (pixels,) = request.items[number].read(request.view.shortest)
    layers = counting.layers(request.view(pixels, "")[None], request.blocks)
    return torch.stack([layer.patches[0] for layer in layers], dim=2), torch.stack([each.cls[0] for each in layers])


@pytest.mark.parametrize("part", [1, 2, 100])
def test_features_of_every_image_are_its_own_whatever_the_parts(counting, request_, store, monkeypatch, part):
    monkeypatch.setattr("dinov2.evaluation.features.extractor.part_size", lambda *_: part)
    source = Extractor(store, 2, dense_as="fp32").dense(counting, request_)
    assert (source.count, source.layers, source.width) == (7, 2, 192)
    assert counting.seen == 7
    order = np.array([6, 2, 0, 1, 4, 0])
    batches = list(source.batches(order, 3))
    assert [batch.index.tolist() for batch in batches] == [[6], [2], [0, 1], [4], [0]]
    for batch in batches:
        for number, patches, cls in zip(batch.index, batch.patches, batch.cls, strict=True):
            expected, expected_cls = by_hand(counting, request_, number)
            np.testing.assert_allclose(patches, expected, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(cls, expected_cls, rtol=1e-4, atol=1e-4)


def test_a_batch_is_full_where_grids_are_alike(counting, request_, store):
    source = Extractor(store, 2).dense(counting, request_)
    assert [batch.index.tolist() for batch in source.batches(np.array([0, 1, 3, 5, 6]), 2)] == [[0, 1], [3, 5], [6]]
    assert next(source.batches(np.array([0]), 1)).patches.dtype == np.float16


def test_nothing_is_computed_twice_and_a_damaged_part_is_made_again_when_it_is_read(
    counting, request_, store, monkeypatch, capsys
):
    monkeypatch.setattr("dinov2.evaluation.features.extractor.part_size", lambda *_: 2)
    extractor = Extractor(store, 2)
    before = next(extractor.dense(counting, request_).batches(np.array([3]), 1))
    source = extractor.dense(counting, request_)
    assert counting.seen == 7
    for name in store.list("features"):
        if name.endswith(".safetensors"):
            data = store.read(name)
            store.write(name, data[:-1] + bytes([data[-1] ^ 1]))
    found = next(source.batches(np.array([3]), 1))
    assert counting.seen == 9
    assert "damaged" in capsys.readouterr().err
    np.testing.assert_array_equal(found.patches, before.patches)


def test_memory_holds_what_was_read_last_and_no_more():
    reads = []

    def read(number):
        reads.append(number)
        return {"cls": np.zeros((1, 1, 4)), "0": np.zeros((2, 2, 1, 4))}

    source = StoredDense(read, 1, 10, 1, 4)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dinov2.evaluation.features.dense.ROOM", 3 * 8 * 20)
        for number in (0, 1, 2, 0, 3, 1, 0):
            list(source.batches(np.array([number]), 1))
    assert reads == [0, 1, 2, 3, 1]


def test_some_layers_are_those_of_the_source():
    generator = np.random.default_rng(0)
    whole = ArraySource(generator.normal(size=(3, 2, 2, 4, 5)), generator.normal(size=(3, 4, 5)))
    some = SomeLayers(whole, (-1,))
    assert (some.count, some.layers, some.width) == (3, 1, 5)
    (batch,) = some.batches(np.array([2, 0]), 4)
    np.testing.assert_array_equal(batch.patches, whole.patches[[2, 0]][:, :, :, 3:])
    np.testing.assert_array_equal(batch.cls, whole.cls[[2, 0]][:, 3:])
