import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinov2.errors import DataError
from dinov2.models import VisionTransformer, create_model, load_backbone, save_backbone
from dinov2.models.files import read_networks
from dinov2.models.weights import load_tensors, save_tensors

Official = Callable[..., dict[str, Tensor]]

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
    shapes = r"missing register_tokens; pos_embed is \(1, 5, 32\), not \(1, 17, 32\)"
    with pytest.raises(DataError, match=r"0 registers in the weights, 4 in the model; .*" + shapes):
        load_backbone(path)


def test_a_file_cut_short_and_a_missing_one_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(DataError, match=r"model\.safetensors: no such weights file"):
        load_backbone(path)
    save_backbone(path, create_model("vit_tiny", **SIZES))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.safetensors: not a whole safetensors file"):
        load_backbone(path)


@pytest.mark.parametrize("chunk", [0, 2])
@pytest.mark.parametrize("told", [{}, {"registers": 4, "swiglu": 176, "patch": 16, "grid": 14}])
def test_an_official_file_tells_its_architecture(
    official: Official, told: dict[str, int], chunk: int, tmp_path: Path
) -> None:
    path = tmp_path / "dinov2.pth"
    torch.save(official(chunk=chunk, **told), path)
    model = load_backbone(path)
    patch, grid, registers = told.get("patch", 14), told.get("grid", 37), told.get("registers", 0)
    assert not model.training
    assert model.architecture() == {
        "img_size": patch * grid,
        "patch_size": patch,
        "embed_dim": 64,
        "depth": 3,
        "num_heads": 1,
        "ffn": "swiglu" if told else "mlp",
        "num_registers": registers,
        "layerscale": 1e-5,
        "interpolate_antialias": registers > 0,
        "interpolate_offset": 0.0 if registers else 0.1,
    }
    assert all(torch.equal(value, official(**told)[name]) for name, value in model.state_dict().items())


def test_an_official_model_sees_224_pixels_as_a_model_with_its_positions_resampled_does(
    official: Official, tmp_path: Path
) -> None:
    torch.save(official(registers=4), tmp_path / "dinov2.pth")
    model, images = load_backbone(tmp_path / "dinov2.pth"), torch.randn(1, 3, 224, 224)
    grid = official(registers=4)["pos_embed"][:, 1:].reshape(1, 37, 37, 64).permute(0, 3, 1, 2)
    small = torch.nn.functional.interpolate(grid, (16, 16), mode="bicubic", antialias=True)
    positions = torch.cat([model.pos_embed[:, :1], small.flatten(2).transpose(1, 2)], dim=1)
    exact = VisionTransformer(**(model.architecture() | {"img_size": 224})).eval()  # type: ignore[arg-type]
    exact.load_state_dict(official(registers=4) | {"pos_embed": positions})
    assert torch.equal(model(images), exact(images))


@pytest.mark.parametrize("wrapped", ["", "module.", "_fsdp_wrapped_module."])
def test_a_training_checkpoint_gives_its_teacher(official: Official, wrapped: str, tmp_path: Path) -> None:
    path, tensors = tmp_path / "teacher_checkpoint.pth", official(chunk=2)
    teacher = {f"{wrapped}backbone.{wrapped}{name}": tensor for name, tensor in tensors.items()}
    teacher["dino_head.last_layer.parametrizations.weight.original1"] = torch.randn(40, 8)
    torch.save({"teacher": teacher, "iteration": 5}, path)
    assert torch.equal(load_backbone(path).blocks[2].ls1.gamma, tensors["blocks.1.2.ls1.gamma"])
    assert read_networks(path, "student").keys() == read_networks(path).keys()
    assert read_networks(path).keys() == {f"backbone.{name}" for name in official()} | {"dino_head.last_layer.weight_v"}


def test_files_written_here_give_their_networks_too(tmp_path: Path) -> None:
    model = create_model("vit_tiny", **SIZES)
    save_backbone(tmp_path / "model.safetensors", model)
    assert read_networks(tmp_path / "model.safetensors").keys() == {f"backbone.{name}" for name in model.state_dict()}
    names = ("backbone.norm.weight", "ibot_head.mlp.0.bias")
    tensors = {
        f"{which}.{name}": torch.full((1,), n) for n, which in enumerate(("teacher", "student")) for name in names
    }
    save_tensors(tmp_path / "training.safetensors", tensors, {"config": "{}"})
    for number, which in enumerate(("teacher", "student")):
        found = read_networks(tmp_path / "training.safetensors", which)  # type: ignore[arg-type]
        assert {name: int(tensor) for name, tensor in found.items()} == dict.fromkeys(names, number)
    save_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, {})
    with pytest.raises(DataError, match=r"other\.safetensors: no tensors named teacher\.\*.*: not written here"):
        read_networks(tmp_path / "other.safetensors")


class Marker:
    """An object whose unpickling creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(official: Official, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pth"
    torch.save(official() | {"norm.bias": Marker(marker)}, path)
    with pytest.raises(DataError, match=r"evil\.pth: holds more than tensors"):
        load_backbone(path)
    path.write_bytes(pickle.dumps(Marker(marker)))
    with pytest.raises(DataError, match=r"evil\.pth: not a whole file of torch\.save"):
        load_backbone(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_an_official_file_cut_short_is_named(official: Official, kept: float, tmp_path: Path) -> None:
    path = tmp_path / "short.pth"
    with pytest.raises(DataError, match=r"short\.pth: no such weights file"):
        load_backbone(path)
    torch.save(official(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DataError, match=r"short\.pth: not a whole file of torch\.save"):
        load_backbone(path)


def test_an_archive_with_a_damaged_index_is_named(official: Official, tmp_path: Path) -> None:
    path = tmp_path / "damaged.pth"
    torch.save(official(), path)
    whole = bytearray(path.read_bytes())
    start = whole.index(b"pos_embed")
    whole[start : start + 9] = b"\xff" * 9
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"damaged\.pth: not a whole file of torch\.save: UnicodeDecodeError"):
        load_backbone(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"head.weight": torch.zeros(10, 64)}, "unexpected head.weight"),
        ({"cls_token": None}, "missing cls_token"),
        ({"norm.bias": "text"}, "'norm.bias' is no name of a tensor"),
        ({"norm.bias": torch.zeros(64, dtype=torch.int8)}, "'norm.bias' is no name of a tensor of floating-point"),
        ({"module.norm.bias": torch.zeros(64)}, "several tensors have one name"),
        ({"backbone.norm.bias": torch.zeros(64)}, "unexpected blocks.0.attn.proj.bias"),
        ({"pos_embed": torch.zeros(1, 7, 64)}, "pos_embed is (1, 7, 64), not (1, 5, 64)"),
        ({"patch_embed.proj.weight": torch.zeros(())}, "nothing tells its patch_size, embed_dim"),
    ],
)
def test_anything_but_a_backbone_is_refused_with_what_is_wrong(
    official: Official, change: dict[str, object], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.pth"
    changed = official(grid=2) | change
    torch.save({name: value for name, value in changed.items() if value is not None}, path)
    with pytest.raises(DataError, match=r"odd\.pth: [^\n]*" + re.escape(words)):
        load_backbone(path)
    torch.save([1, 2], path)
    with pytest.raises(DataError, match=r"odd\.pth: holds a list, not tensors by name"):
        load_backbone(path)
