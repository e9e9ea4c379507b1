import numpy as np
import pytest
import torch

from dinov2.data.images import normalise
from dinov2.errors import ConfigError
from dinov2.evaluation.backbones import ImagePixels, open_backbone

CPU = torch.device("cpu")


def test_a_patch_is_told_by_the_colours_of_its_own_parts():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)
    backbone = open_backbone("pixels:8", 0, CPU)
    first, second = backbone.layers(images, 2)
    assert first.patches.shape == (2, 2, 3, backbone.embed_dim)
    x = normalise(images)
    part = x[1, :, 8 + 2 : 8 + 4, 16 + 6 : 16 + 8].mean((1, 2))
    torch.testing.assert_close(first.patches[1, 1, 2].view(4, 4, 3)[1, 3], part)
    torch.testing.assert_close(first.cls, first.patches.mean((1, 2)))
    torch.testing.assert_close(first.patches, second.patches)


@pytest.mark.parametrize("name", ["", "0", "x", "-3"])
def test_only_a_side_is_allowed(name):
    with pytest.raises(ConfigError, match="allowed: the side of a patch"):
        open_backbone(f"pixels:{name}", 0, CPU)


def test_pixels_are_mean_free_of_unit_variance_and_keep_their_place():
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    (found,) = ImagePixels(8, CPU).layers(images, 1)
    assert found.cls.shape == (3, 768)
    assert found.patches.mean((1, 2)).shape == (3, 0)
    cls = found.cls.numpy()
    np.testing.assert_allclose(cls.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(cls.std(1), 1, atol=1e-4)
    means = images.reshape(3, 16, 4, 16, 4, 3).mean(axis=(2, 4)).reshape(3, -1)  # what area averaging is
    expected = (means - means.mean(1, keepdims=True)) / means.std(1, keepdims=True)
    np.testing.assert_allclose(cls, expected, atol=0.05)


def test_an_image_of_one_colour_gives_zeros():
    assert (ImagePixels(8, CPU).layers(np.full((1, 32, 32, 3), 77, np.uint8), 1)[0].cls == 0).all()
