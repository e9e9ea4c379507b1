import numpy as np
import pytest
import torch

from dinov2.data.images import normalise
from dinov2.errors import ConfigError, DataError
from dinov2.evaluation.backbones import OwnBackbone, open_backbone, random_twin, spread
from dinov2.evaluation.backbones.backbone import values_digest
from dinov2.models import VisionTransformer, create_model, save_backbone

CPU = torch.device("cpu")
SIZES = {"img_size": 28, "patch_size": 14, "embed_dim": 64, "depth": 3, "num_heads": 1, "layerscale": 1.0}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return VisionTransformer(**SIZES, num_registers=2).eval()


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 28, 42, 3), dtype=np.uint8)


def test_a_file_gives_the_tokens_of_its_model(model, images, tmp_path):
    save_backbone(tmp_path / "x.safetensors", model)
    backbone = open_backbone(str(tmp_path / "x.safetensors"), 0, CPU)
    assert (backbone.patch_size, backbone.embed_dim, backbone.depth) == (14, 64, 3)
    found = backbone.layers(images, 2)
    with torch.no_grad():
        last = model.forward_features(normalise(images))
    torch.testing.assert_close(found[1].cls, last.cls)
    torch.testing.assert_close(found[1].patches.flatten(1, 2), last.patches)
    assert found[0].patches.shape == (2, 2, 3, 64)
    torch.testing.assert_close(backbone.layers(images, [1])[0].cls, found[0].cls)


def test_an_official_file_gives_the_same(model, images, tmp_path):
    torch.save(model.state_dict(), tmp_path / "x.pth")
    save_backbone(tmp_path / "x.safetensors", model)
    own, official = (
        open_backbone(str(tmp_path / f"x.{end}"), 0, CPU).layers(images[:, :, :28], 1)[0]
        for end in ("safetensors", "pth")
    )
    torch.testing.assert_close(own.patches, official.patches)


def test_random_weights_follow_the_seed_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = open_backbone("random:vit_tiny", 0, CPU)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert open_backbone("random:vit_tiny", 0, CPU).digest == first.digest
    assert open_backbone("random:vit_tiny", 1, CPU).digest != first.digest


def test_a_name_tells_patch_and_registers():
    backbone = open_backbone("random:vit_tiny_patch16_reg4", 0, CPU)
    assert (backbone.patch_size, backbone.embed_dim, backbone.depth) == (16, 192, 12)
    images = np.zeros((1, 32, 48, 3), np.uint8)
    assert backbone.layers(images, [11])[0].patches.shape == (1, 2, 3, 192)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("random:vit_enormous", r"random:vit_enormous; allowed: one of .*vit_small"),
        ("random:vit_small_patch0", "patches of 0 pixels"),
        ("s3://bucket/x.safetensors", "allowed: a .safetensors or .pth file, random:NAME"),
        ("models:/backbone/1", "allowed: a .safetensors"),
        ("vit_small", "model 'vit_small'; allowed: a .safetensors or .pth file, random:NAME"),
    ],
)
def test_what_is_no_backbone_is_refused_in_words(name, message):
    with pytest.raises(ConfigError, match=message):
        open_backbone(name, 0, CPU)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"x.safetensors: no such weights file"):
        open_backbone(str(tmp_path / "x.safetensors"), 0, CPU)


def test_images_and_blocks_must_fit():
    backbone = open_backbone("random:vit_tiny", 0, CPU)
    with pytest.raises(ConfigError, match="30×28 pixels: not multiples of the patch, 14"):
        backbone.layers(np.zeros((1, 28, 30, 3), np.uint8), 1)
    for blocks in (13, 0, [12], [3, 2], [-1]):
        with pytest.raises(ConfigError, match="of a backbone that has 12"):
            backbone.layers(np.zeros((1, 28, 28, 3), np.uint8), blocks)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(12, (2, 5, 8, 11)), (24, (4, 11, 17, 23)), (40, (9, 19, 29, 39)), (4, (0, 1, 2, 3))],
)
def test_four_layers_are_spread_as_published(depth, expected):
    assert spread(depth) == expected


def test_the_twin_has_the_shape_but_not_the_weights_and_repeats(model):
    state = torch.random.get_rng_state()
    one, same, other = random_twin(model, 2), random_twin(model, 2), random_twin(model, 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = model.state_dict()
    assert {name: value.shape for name, value in one.state_dict().items()} == {n: v.shape for n, v in weights.items()}
    name = "blocks.0.attn.qkv.weight"
    assert torch.equal(one.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], weights[name])


def test_the_twin_sees_the_image_even_where_training_starts_blind(model):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 28, 28)
    twin = random_twin(model, 0)
    with torch.no_grad():
        one, other = twin.forward_features(images).cls
    assert (one - other).norm() > 0.05 * one.norm()


def test_the_twin_of_a_backbone_takes_the_same_images(model, images):
    backbone = OwnBackbone(model, CPU)
    twin = backbone.twin(2)
    assert twin.digest != backbone.digest
    assert twin.layers(images, 2)[0].patches.shape == backbone.layers(images, 2)[0].patches.shape


def test_digest_names_values_and_architecture():
    def digest(model):
        return OwnBackbone(model, CPU).digest

    first, changed = (create_model("vit_tiny", img_size=32, patch_size=8, depth=2) for _ in range(2))
    changed.load_state_dict(first.state_dict())
    assert digest(changed) == digest(first)
    changed.interpolate_offset = 0.0
    assert digest(changed) != digest(first)
    changed.interpolate_offset = first.interpolate_offset
    changed.norm.bias.data[3] += 1e-6
    assert digest(changed) != digest(first)


def test_digest_sees_single_numbers_too():
    model = torch.nn.Linear(2, 2)
    model.register_buffer("temperature", torch.tensor(1.0))
    before = values_digest(model)
    model.temperature.fill_(2.0)
    assert values_digest(model) != before


def test_a_single_number_among_the_weights_has_part_in_the_digest():
    scaled = torch.nn.Linear(2, 2)
    scaled.scale = torch.nn.Parameter(torch.tensor(1.0))
    before = values_digest(scaled)
    torch.nn.init.constant_(scaled.scale, 2.0)
    assert values_digest(scaled) != before
