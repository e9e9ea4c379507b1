import dataclasses
import weakref

import numpy as np
import pytest
import torch

from dinov2.data.images import center_crop, decode_rgb, normalise, resize_shortest
from dinov2.errors import DataError
from dinov2.evaluation.backbones import ImagePixels, OwnBackbone
from dinov2.evaluation.features import ClipFrames, Extractor, ManifestImage, Request, Square, last_blocks, parts_of
from dinov2.evaluation.features.image import joined
from dinov2.evaluation.sets.task import Clip
from dinov2.models import create_model
from tests.evaluation.features.counting import Counting
from tests.evaluation.sets.making import clip, text

CPU = torch.device("cpu")


@pytest.fixture
def counting(backbone):
    return Counting(OwnBackbone(backbone, CPU))


@pytest.fixture
def asked(manifest, reader):
    items = [ManifestImage(reader, row) for row in manifest.to_pylist()]

    def make(rows=slice(None), resolution=32):
        return Request("test", items[rows], Square(resolution), (0, 1))

    return make


def blobs(store):
    return [name for name in store.list("features") if name.endswith(".safetensors")]


def test_equal_the_backbone_run_by_hand_on_each_image(backbone, counting, asked, manifest, reader, store):
    found = Extractor(store, threads=2).images(counting, asked(slice(5)))
    assert found.cls_nld.dtype == found.patch_nd.dtype == np.float32
    assert (found.cls_nld.shape, found.patch_nd.shape) == ((5, 2, 192), (5, 192))
    for number, row in enumerate(manifest.to_pylist()[:5]):
        image = decode_rgb(reader.read(row["source"], row["uri"]))
        view = center_crop(resize_shortest(image, round(32 * 256 / 224)), 32)
        with torch.no_grad():
            layers = backbone.get_intermediate_layers(normalise(view[None]), 2)
        for layer, (_, cls) in enumerate(layers):
            np.testing.assert_allclose(found.cls_nld[number, layer], cls[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.patch_nd[number], layers[-1][0][0].mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.last_nd, found.cls_nld[:, 1])


def test_half_precision_is_the_same_rounded(counting, asked, store):
    whole, half = (Extractor(store, 2, kind).images(counting, asked(slice(5))) for kind in ("fp32", "fp16"))
    assert half.cls_nld.dtype == half.patch_nd.dtype == np.float16
    np.testing.assert_array_equal(half.cls_nld, whole.cls_nld.astype(np.float16))
    assert len(blobs(store)) == 2


def test_order_is_kept_over_parts(counting, asked, store, monkeypatch):
    extractor = Extractor(store, threads=2)
    whole = extractor.images(counting, asked())
    monkeypatch.setattr("dinov2.evaluation.features.request.PART", 13)
    in_parts = extractor.images(counting, asked())
    assert counting.seen == 2 * 48
    np.testing.assert_allclose(in_parts.cls_nld, whole.cls_nld, rtol=1e-4, atol=1e-5)


def test_nothing_is_computed_twice(counting, asked, store):
    extractor = Extractor(store, threads=2)
    first, again = extractor.images(counting, asked()), extractor.images(counting, asked())
    assert counting.seen == 48
    np.testing.assert_array_equal(first.cls_nld, again.cls_nld)
    np.testing.assert_array_equal(first.patch_nd, again.patch_nd)


def test_an_interrupted_run_goes_on_after_the_last_whole_part(counting, asked, store, monkeypatch):
    monkeypatch.setattr("dinov2.evaluation.features.request.PART", 20)
    extractor = Extractor(store, threads=2)
    extractor.images(counting, asked(slice(20)))
    extractor.images(counting, asked())
    assert counting.seen == 48


def test_processes_share_the_parts_and_none_is_left(counting, asked, store, monkeypatch):
    monkeypatch.setattr("dinov2.evaluation.features.request.PART", 10)
    extractor = Extractor(store, threads=1)
    shares = []
    for rank in range(3):
        extractor.fill(counting, [asked()], rank, 3)
        shares.append(counting.seen - sum(shares))
    assert shares == [20, 18, 10]
    extractor.images(counting, asked())
    assert counting.seen == 48


def test_parts_of_all_processes_are_all_parts_once():
    assert sorted(part for rank in range(4) for part in parts_of(11, rank, 4)) == list(range(11))


def test_a_damaged_part_is_made_again_and_said_to_be(counting, asked, store, monkeypatch, capsys):
    monkeypatch.setattr("dinov2.evaluation.features.request.PART", 20)
    extractor = Extractor(store, threads=2)
    before = extractor.images(counting, asked(slice(20)))
    (name,) = blobs(store)
    data = store.read(name)
    store.write(name, data[:-1] + bytes([data[-1] ^ 1]))
    extractor.images(counting, asked(slice(20, 40)))
    capsys.readouterr()
    after = extractor.images(counting, asked(slice(40)))
    assert counting.seen == 20 + 20 + 20
    assert [line for line in capsys.readouterr().err.splitlines() if "damaged" in line] == [
        f"{store.url_of(name)}: damaged (its checksum differs); made again"
    ]
    assert store.read(name) == data
    np.testing.assert_array_equal(after.patch_nd[:20], before.patch_nd)


def test_other_weights_views_blocks_and_images_are_kept_apart(backbone, asked, store):
    extractor = Extractor(store, threads=1)
    torch.manual_seed(2)
    other = create_model("vit_tiny", img_size=32, patch_size=8, depth=2, layerscale=1.0).eval()
    one_block = dataclasses.replace(asked(slice(3)), blocks=(1,))
    for model, request in (
        (backbone, asked(slice(3))),
        (other, asked(slice(3))),
        (backbone, asked(slice(3), resolution=40)),
        (other, asked(slice(2))),
        (backbone, one_block),
    ):
        extractor.images(OwnBackbone(model, CPU), request)
    assert len(blobs(store)) == 5


def test_the_same_bytes_under_another_key_are_corrupted_in_another_way(counting, manifest, reader, store):
    row = manifest.to_pylist()[0]
    items = [ManifestImage(reader, row | {"key": key}) for key in ("one", "other")]
    found = [
        Extractor(store, 1).images(counting, Request("test", [item], Square(32, ("gaussian_noise", 5)), (1,)))
        for item in items
    ]
    assert (found[0].last_nd != found[1].last_nd).any()
    for item in items:
        Extractor(store, 1).images(counting, Request("test", [item], Square(32), (1,)))
    assert counting.seen == 3


def test_an_image_that_changed_since_ingest_is_refused(counting, manifest, reader, store):
    item = ManifestImage(reader, manifest.to_pylist()[0] | {"sha256": "0" * 64})
    with pytest.raises(DataError, match=r"00\.png: its bytes are not those of the manifest"):
        Extractor(store, threads=1).images(counting, Request("test", [item], Square(32), (1,)))


def test_pixels_have_one_layer_and_no_patches(asked, store):
    pixels = ImagePixels(8, CPU)
    found = Extractor(store, 1).images(pixels, dataclasses.replace(asked(slice(3)), blocks=last_blocks(pixels.depth)))
    assert (found.cls_nld.shape, found.patch_nd.shape) == ((3, 1, 768), (3, 0))


def test_clips_have_a_row_for_each_frame_and_broken_ones_are_told_also_when_read_again(counting, store, tmp_path):
    paths = [clip(tmp_path / "a.avi", 12), text(tmp_path / "b.avi", "no video"), clip(tmp_path / "c.avi", 4)]
    request = Request("test", [ClipFrames(Clip(path.stem, path), 4) for path in paths], Square(32), (1,))
    for _ in range(2):
        found = Extractor(store, threads=2).images(counting, request)
        assert found.cls_nld.shape == (12, 1, 192)
        assert found.broken.tolist() == [False, True, False]
    assert counting.seen == 12
    alone = Extractor(store, threads=2).images(counting, dataclasses.replace(request, items=request.items[2:]))
    np.testing.assert_allclose(found.cls_nld[8:], alone.cls_nld, rtol=1e-4, atol=1e-5)


def test_features_of_nothing_are_refused(counting, asked, store):
    with pytest.raises(DataError, match="test: no image"):
        Extractor(store, threads=1).images(counting, asked(slice(0)))


def test_joining_holds_two_parts_at_a_time_and_no_more():
    seen = []

    def parts():
        for number in range(4):
            assert sum(each() is not None for each in seen) <= 1
            part = {
                "cls": np.full((4, 1, 3), number, np.float32), "patch": np.full((4, 3), number, np.float32),
                "broken": np.array([0, number == 2], np.uint8),
            }  # fmt: skip
            seen.append(weakref.ref(part["cls"]))
            yield part
            del part

    found = joined(parts(), items=8, frames=2)
    np.testing.assert_array_equal(found.last_nd[:, 0], np.repeat(np.arange(4), 4))
    np.testing.assert_array_equal(found.patch_nd[:, 2], np.repeat(np.arange(4), 4))
    assert np.flatnonzero(found.broken).tolist() == [5]
