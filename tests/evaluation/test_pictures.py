import io

import numpy as np
import torch
from PIL import Image

from dinov2.data.images import normalise
from dinov2.evaluation.datasets import labelled_sets
from dinov2.evaluation.pictures import CAPTION, GAP, TILE, patch_features, photographs, pictured, sheet

CPU = torch.device("cpu")


def test_test_images_of_every_class_are_pictured(manifest):
    rows = pictured(labelled_sets(manifest, ()).usable, manifest, 4)
    assert [row["label"] for row in rows] == ["bright", "bright", "dark", "dark"]
    assert {row["split"] for row in rows} == {"test"}
    assert len(pictured(labelled_sets(manifest, ()).usable, manifest, 100)) == 16


def test_without_labels_images_are_taken_from_all_over(manifest):
    rows = pictured([], manifest, 3)
    keys = manifest["key"].to_pylist()
    assert [row["key"] for row in rows] == [keys[0], keys[24], keys[-1]]


def test_patches_lie_on_their_grid(backbone):
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    found = patch_features(backbone, images, CPU, "test")
    assert found.shape == (2, 6, 6, 192)
    with torch.no_grad():
        patches = backbone.forward_features(normalise(images)).patches
    np.testing.assert_allclose(found[1, 2, 3], patches[1, 2 * 6 + 3], rtol=1e-4, atol=1e-5)


def test_the_sheet_has_a_captioned_row_for_each_and_repeats(backbone, manifest, reader):
    images = photographs(reader, manifest.to_pylist()[:3], 32)
    assert images.shape == (3, 32, 32, 3)
    features = {"model": patch_features(backbone, images, CPU, "test")}
    data = sheet(images, features)
    assert data == sheet(images, features)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (3 * TILE + 2 * GAP, 2 * (CAPTION + TILE))
        pixels = np.asarray(picture)
    assert pixels[0, 0, 3] == 0  # transparent, for light and dark pages
    np.testing.assert_allclose(pixels[CAPTION : CAPTION + TILE, :TILE, :3].mean((0, 1)), images[0].mean((0, 1)), atol=2)
    assert pixels[:CAPTION, :, 3].any()
