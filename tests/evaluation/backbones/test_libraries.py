import sys
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from dinov2.errors import ConfigError, DataError
from dinov2.evaluation.backbones import open_backbone
from dinov2.evaluation.backbones.hugging_face import HuggingFaceBackbone

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
HALF = (0.5, 0.5, 0.5)


class Tokens(nn.Module):
    """A transformer's outline: a cls, a register, patches of 4 pixels, two blocks that are linear."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.project = nn.Conv2d(3, 6, 4, stride=4)
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))
        self.norm = nn.LayerNorm(6)
        self.first = nn.Parameter(torch.randn(1, 2, 6))

    def tokens(self, x):
        patches = self.project(x).flatten(2).transpose(1, 2)
        return torch.cat([self.first.expand(len(x), -1, -1), patches], dim=1)

    def expected(self, block):
        x = self.tokens(torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float() / 127.5 - 1)
        for each in self.blocks[: block + 1]:
            x = each(x)
        return self.norm(x).detach()


class Hugging(Tokens):
    config = SimpleNamespace(
        patch_size=4, hidden_size=6, num_hidden_layers=2, num_register_tokens=1, to_json_string=lambda: "{}"
    )

    def forward(self, pixel_values, interpolate_pos_encoding):
        assert interpolate_pos_encoding
        x = self.tokens(pixel_values)
        for block in self.blocks:
            x = block(x)
        return x


class Timm(Tokens):
    has_class_token, embed_dim = True, 6
    patch_embed = SimpleNamespace(patch_size=(4, 4))
    pretrained_cfg = MappingProxyType({"mean": HALF, "std": HALF})

    def forward_intermediates(self, x, indices, return_prefix_tokens, norm, output_fmt, intermediates_only):
        assert (return_prefix_tokens, norm, output_fmt, intermediates_only) == (True, True, "NLC", True)
        tokens = [self.expected(index) for index in indices]
        torch.testing.assert_close(
            self.tokens(x), self.tokens(torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 127.5 - 1)
        )
        return [(x_bnd[:, 2:], x_bnd[:, :2]) for x_bnd in tokens]


@pytest.mark.parametrize("library", ["hf", "timm"])
def test_tokens_after_a_block_are_normalised_and_told_apart(library, monkeypatch):
    if library == "hf":
        model = Hugging()
        backbone = HuggingFaceBackbone("x", model, HALF, HALF, CPU)
    else:
        model = Timm()
        monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=lambda _, **__: model))
        backbone = open_backbone("timm:x", 0, CPU)
    assert (backbone.patch_size, backbone.embed_dim, backbone.depth) == (4, 6, 2)
    for number, layer in enumerate(backbone.layers(IMAGES, 2)):
        expected = model.expected(number)
        torch.testing.assert_close(layer.cls, expected[:, 0])
        torch.testing.assert_close(layer.patches.flatten(1, 2), expected[:, 2:])
        assert layer.patches.shape[1:3] == (2, 3)


@pytest.mark.parametrize(("kind", "library"), [("hf", "transformers"), ("timm", "timm")])
def test_a_library_that_is_not_installed_is_named(kind, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=f"model {kind}:some/name needs the library {library}"):
        open_backbone(f"{kind}:some/name", 0, CPU)


def test_a_model_of_timm_without_a_class_token_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=lambda _, **__: nn.Linear(2, 2)))
    with pytest.raises(ConfigError, match="a Linear; allowed: ViTs that have a class token"):
        open_backbone("timm:x", 0, CPU)


@pytest.mark.parametrize("registers", [0, 4])
def test_a_model_that_transformers_saved_gives_its_own_last_tokens(registers, tmp_path):
    transformers = pytest.importorskip("transformers")
    name = "Dinov2WithRegisters" if registers else "Dinov2"
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 16, "patch_size": 4}
    more = {"num_register_tokens": registers} if registers else {}
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**sizes, **more, layerscale_value=1.0)
    model = getattr(transformers, f"{name}Model")(config).eval()
    model.save_pretrained(tmp_path)
    backbone = open_backbone(f"hf:{tmp_path}", 0, CPU)
    found = backbone.layers(IMAGES, [0, 2])
    x = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor((0.485, 0.456, 0.406))[:, None, None]) / torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    with torch.no_grad():
        expected = model(pixel_values=x).last_hidden_state
    torch.testing.assert_close(found[1].cls, expected[:, 0])
    torch.testing.assert_close(found[1].patches.flatten(1, 2), expected[:, 1 + registers :])
    assert not torch.equal(found[0].cls, found[1].cls)
    twins = [backbone.twin(seed) for seed in (2, 2, 1)]
    assert len({twin.digest for twin in (backbone, *twins)}) == 3
    assert twins[0].layers(IMAGES, 1)[0].patches.shape == found[1].patches.shape
    with pytest.raises(DataError, match="model hf:"):
        open_backbone(f"hf:{tmp_path / 'missing'}", 0, CPU)
