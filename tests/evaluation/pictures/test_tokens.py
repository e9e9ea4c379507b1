import numpy as np
import pytest
import torch

from dinov2.data.images import normalise
from dinov2.errors import ConfigError
from dinov2.evaluation.backbones.own import OwnBackbone
from dinov2.evaluation.pictures.tokens import last_block, patch_features
from dinov2.models import create_model
from dinov2.models.depth import Everything
from dinov2.models.packing import pack

CPU = torch.device("cpu")


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)


@pytest.fixture
def with_registers():
    torch.manual_seed(3)
    return create_model("vit_tiny", img_size=32, patch_size=8, depth=2, layerscale=1.0, num_registers=3).eval()


def test_patches_lie_on_their_grid(backbone, images):
    found = patch_features(OwnBackbone(backbone, CPU), images, "test")
    assert found.shape == (2, 4, 6, 192)
    with torch.no_grad():
        patches = backbone.forward_features(normalise(images)).patches
    np.testing.assert_allclose(found[1, 2, 3], patches[1, 2 * 6 + 3], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_attention_and_norms_are_those_of_the_last_block(with_registers, images):
    model = with_registers
    found = last_block(model, images, CPU, "test")
    assert found.attention.shape == (2, 3, 4, 4, 6)  # images, heads, cls and registers, grid
    x_td, layout = pack([model._tokens(normalise(images), None)])
    x_td = model.blocks[0](x_td, layout, Everything(), Everything())
    block = model.blocks[1]
    qkv = block.attn.qkv(block.norm1(x_td)).double().numpy().reshape(2, 28, 3, 3, 64)
    for image, head, query in ((0, 0, 0), (1, 2, 0), (1, 1, 3)):
        scores = qkv[image, :, 1, head] @ qkv[image, query, 0, head] / 8  # the root of the head's width, 64
        shares = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(found.attention[image, head, query].ravel(), shares[4:], rtol=1e-4)
    last = block(x_td, layout, Everything(), Everything()).numpy().reshape(2, 28, 192)
    np.testing.assert_allclose(found.norms[1].ravel(), np.linalg.norm(last[1, 4:], axis=1), rtol=1e-4)


def test_the_model_is_left_as_it_was(backbone, images):
    hooks = backbone.blocks[-1].attn.qkv._forward_hooks
    last_block(backbone, images, CPU, "test")
    assert not hooks
    with pytest.raises(ConfigError, match="not multiples of patch 8"):
        last_block(backbone, images[:, :20], CPU, "test")
    assert not hooks
