import numpy as np
import pytest
import torch

from dinov2.data.images import center_crop, decode_rgb, normalise, resize_shortest
from dinov2.errors import DataError
from dinov2.evaluation.encoder import BackboneEncoder
from dinov2.evaluation.features import Extractor
from dinov2.models import create_model

CPU = torch.device("cpu")


class Counting:
    """An encoder that also counts the images it was shown."""

    def __init__(self, encoder):
        self._encoder, self.digest, self.resolution, self.seen = encoder, encoder.digest, encoder.resolution, 0

    def __call__(self, images):
        self.seen += len(images)
        return self._encoder(images)


@pytest.fixture
def counting(backbone):
    return Counting(BackboneEncoder(backbone, 32, CPU))


def test_equal_the_backbone_run_by_hand_on_each_image(backbone, counting, manifest, reader, store):
    rows = manifest.to_pylist()[:5]
    found = Extractor(reader, store, threads=2)(counting, rows, "test")
    assert found.cls.dtype == found.patch.dtype == np.float32
    for number, row in enumerate(rows):
        image = decode_rgb(reader.read(row["source"], row["uri"]))
        view = center_crop(resize_shortest(image, round(32 * 256 / 224)), 32)
        with torch.no_grad():
            one = backbone.forward_features(normalise(view[None]))
        np.testing.assert_allclose(found.cls[number], one.cls[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.patch[number], one.patches[0].mean(0), rtol=1e-4, atol=1e-5)


def test_order_is_kept_over_parts(counting, manifest, reader, store, monkeypatch):
    rows = manifest.to_pylist()
    extractor = Extractor(reader, store, threads=2)
    whole = extractor(counting, rows, "test")
    monkeypatch.setattr("dinov2.evaluation.features.PART", 13)
    in_parts = extractor(counting, rows, "test")
    assert counting.seen == 2 * len(rows)
    np.testing.assert_allclose(in_parts.cls, whole.cls, rtol=1e-4, atol=1e-5)


def test_nothing_is_computed_twice(counting, manifest, reader, store):
    rows = manifest.to_pylist()
    extractor = Extractor(reader, store, threads=2)
    first, again = extractor(counting, rows, "test"), extractor(counting, rows, "test")
    assert counting.seen == len(rows)
    np.testing.assert_array_equal(first.cls, again.cls)
    np.testing.assert_array_equal(first.patch, again.patch)


def test_an_interrupted_run_goes_on_after_the_last_whole_part(counting, manifest, reader, store, monkeypatch):
    monkeypatch.setattr("dinov2.evaluation.features.PART", 20)
    rows = manifest.to_pylist()
    extractor = Extractor(reader, store, threads=2)
    extractor(counting, rows[:20], "what was done before")
    extractor(counting, rows, "test")
    assert counting.seen == len(rows)


def test_a_damaged_part_is_made_again_and_said_to_be(counting, manifest, reader, store, monkeypatch, capsys):
    monkeypatch.setattr("dinov2.evaluation.features.PART", 20)
    rows = manifest.to_pylist()
    extractor = Extractor(reader, store, threads=2)
    before = extractor(counting, rows[:20], "test")
    (name,) = (name for name in store.list("features") if name.endswith(".safetensors"))
    data = store.read(name)
    store.write(name, data[:-1] + bytes([data[-1] ^ 1]))
    extractor(counting, rows[20:40], "test")
    capsys.readouterr()
    after = extractor(counting, rows[:40], "test")
    assert counting.seen == 20 + 20 + 20
    assert [line for line in capsys.readouterr().err.splitlines() if "damaged" in line] == [
        f"{store.url_of(name)}: damaged (its checksum differs); made again"
    ]
    assert store.read(name) == data
    np.testing.assert_array_equal(after.patch[:20], before.patch)


def test_other_weights_resolutions_and_images_are_kept_apart(backbone, manifest, reader, store):
    rows = manifest.to_pylist()[:3]
    extractor = Extractor(reader, store, threads=1)
    torch.manual_seed(2)
    other = create_model("vit_tiny", img_size=32, patch_size=8, depth=2, layerscale=1.0).eval()
    for model, resolution, chosen in (
        (backbone, 32, rows),
        (other, 32, rows),
        (backbone, 40, rows),
        (other, 32, rows[:2]),
    ):
        extractor(BackboneEncoder(model, resolution, CPU), chosen, "test")
    assert len([name for name in store.list("features") if name.endswith(".safetensors")]) == 4


def test_an_image_that_changed_since_ingest_is_refused(counting, manifest, reader, store):
    row = manifest.to_pylist()[0] | {"sha256": "0" * 64}
    with pytest.raises(DataError, match=r"00\.png: its bytes are not those of the manifest"):
        Extractor(reader, store, threads=1)(counting, [row], "test")
