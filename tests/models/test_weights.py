from pathlib import Path

import pytest
import torch

from dinov2.errors import DataError
from dinov2.models import create_model, load_backbone, save_backbone
from dinov2.models.weights import load_tensors, save_tensors

SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}


def test_a_saved_backbone_comes_back_as_it_was(tmp_path: Path) -> None:
    model = create_model("vit_tiny", **SIZES, num_registers=2, ffn="swiglu", interpolate_offset=0.0).eval()
    save_backbone(tmp_path / "model.safetensors", model)
    again = load_backbone(tmp_path / "model.safetensors")
    images = torch.randn(2, 3, 48, 32)
    assert torch.equal(again(images), model(images))


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    model = create_model("vit_tiny", **SIZES)
    for name in ("one", "other"):
        save_tensors(tmp_path / name, model.state_dict(), {"b": "2", "a": "1", "c": name[:0]})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_weights_of_another_architecture_are_refused_with_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_backbone(path, create_model("vit_tiny", **SIZES, num_registers=4))
    tensors, metadata = load_tensors(path)
    del tensors["register_tokens"]
    tensors["pos_embed"] = torch.zeros(1, 5, 32)
    save_tensors(path, tensors, metadata)
    with pytest.raises(DataError, match=r"missing register_tokens; pos_embed is \(1, 5, 32\), not \(1, 17, 32\)"):
        load_backbone(path)


def test_a_file_cut_short_and_a_missing_one_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(DataError, match=r"model\.safetensors: no such weights file"):
        load_backbone(path)
    save_backbone(path, create_model("vit_tiny", **SIZES))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.safetensors: not a whole safetensors file"):
        load_backbone(path)
