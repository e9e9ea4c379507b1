from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinov2.errors import DataError
from dinov2.models import VisionTransformer, save_backbone
from dinov2.models.weights import save_tensors
from dinov2.training.network import HeadsConfig, Network
from dinov2.training.start import begin

HEADS = {"prototypes": 24, "hidden": 32, "dino_bottleneck": 8, "ibot_bottleneck": 8}


def network(seed: int, img_size: int = 32, shared: bool = False, **changes: int) -> Network:
    torch.manual_seed(seed)
    sizes = {"patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 1, "num_registers": 2}
    heads = HEADS | {name: value for name, value in changes.items() if name in HEADS}
    sizes |= {name: value for name, value in changes.items() if name not in HEADS}
    made = Network(VisionTransformer(img_size=img_size, **sizes), HeadsConfig(**heads, shared=shared))  # type: ignore[arg-type]
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def official(network: Network, parts: tuple[str, ...] = ("backbone", "dino_head", "ibot_head")) -> dict[str, Tensor]:
    """As the release writes a teacher: blocks in chunks of one, weight normalisation as a parametrisation."""
    names = {
        name: name.replace("blocks.0.", "blocks.0.0.")
        .replace("blocks.1.", "blocks.1.1.")
        .replace("weight_g", "parametrizations.weight.original0")
        .replace("weight_v", "parametrizations.weight.original1")
        for name in network.state_dict()
        if name.startswith(parts)
    }
    return {new: network.state_dict()[name] for name, new in names.items()}


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_an_official_backbone_starts_a_network_whose_heads_stay_as_they_were(tmp_path: Path) -> None:
    theirs, ours, untouched = network(1), network(2), network(2)
    plain = {name.removeprefix("backbone."): value for name, value in official(theirs, ("backbone",)).items()}
    torch.save(plain, tmp_path / "backbone.pth")
    save_backbone(tmp_path / "backbone.safetensors", theirs.backbone)
    for name in ("backbone.pth", "backbone.safetensors"):
        ours = network(2)
        assert not begin(ours, tmp_path / name)
        assert same(ours.backbone, theirs.backbone)
        assert same(ours.dino_head, untouched.dino_head)
        assert same(ours.ibot_head, untouched.ibot_head)


def test_an_official_checkpoint_starts_heads_too(tmp_path: Path) -> None:
    theirs, ours = network(1), network(2)
    torch.save({"teacher": official(theirs)}, tmp_path / "teacher.pth")
    assert begin(ours, tmp_path / "teacher.pth", "student")
    assert same(ours, theirs)


def test_a_training_file_gives_the_network_asked_for(tmp_path: Path) -> None:
    both = {"teacher": network(1), "student": network(2)}
    tensors = {f"{which}.{name}": value for which, part in both.items() for name, value in part.state_dict().items()}
    save_tensors(tmp_path / "training.safetensors", tensors, {"config": "{}"})
    for which, theirs in both.items():
        ours = network(3)
        assert begin(ours, tmp_path / "training.safetensors", which)  # type: ignore[arg-type]
        assert same(ours, theirs)


def test_positions_are_resampled_to_the_grid_of_the_network(tmp_path: Path) -> None:
    theirs, ours = network(1, img_size=64), network(2)
    torch.save(official(theirs, ("backbone",)), tmp_path / "backbone.pth")
    begin(ours, tmp_path / "backbone.pth")
    grid = theirs.backbone.pos_embed[:, 1:].detach().reshape(1, 8, 8, 64).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(grid, scale_factor=4.1 / 8, mode="bicubic").flatten(2).transpose(1, 2)
    assert torch.equal(ours.backbone.pos_embed[:, 1:], expected)
    assert torch.equal(ours.backbone.pos_embed[:, 0], theirs.backbone.pos_embed[:, 0])
    assert same(ours.backbone.blocks, theirs.backbone.blocks)


def test_one_head_for_both_losses_starts_from_one_head_alone_or_one_written_twice(tmp_path: Path) -> None:
    theirs = network(1, shared=True)
    for parts in (("backbone", "dino_head"), ("backbone", "dino_head", "ibot_head")):
        ours = network(2, shared=True)
        torch.save({"teacher": official(theirs, parts)}, tmp_path / "teacher.pth")
        assert begin(ours, tmp_path / "teacher.pth")
        assert same(ours, theirs)


@pytest.mark.parametrize(
    ("theirs", "ours", "parts", "words"),
    [
        ({"num_registers": 4}, {}, ("backbone",), "backbone: .*4 registers in the weights, 2 in the model"),
        ({"embed_dim": 128}, {}, ("backbone",), "backbone: .*width 128 in the weights, 64 in the model"),
        ({"prototypes": 48}, {}, ("",), "dino_head: .*48 prototypes in the weights, 24 in the model"),
        ({"ibot_bottleneck": 4}, {}, ("",), "ibot_head: .*bottleneck 4 in the weights, 8 in the model"),
        ({}, {}, ("backbone", "dino_head"), r"one head for both losses, the network two \(heads.shared is false\)"),
        ({}, {}, ("backbone", "ibot_head"), "dino_head: .*missing last_layer.weight_g"),
        ({}, {"shared": True}, ("",), r"two heads, the network one for both losses \(heads.shared is true\)"),
        ({}, {}, ("dino_head", "ibot_head"), "unexpected|missing blocks.0.attn.proj.bias"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(
    theirs: dict[str, int], ours: dict[str, int], parts: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    torch.save({"teacher": official(network(1, **theirs), parts)}, tmp_path / "teacher.pth")
    begun = network(2, **ours)
    with pytest.raises(DataError, match=rf"teacher\.pth: [^\n]*({words})"):
        begin(begun, tmp_path / "teacher.pth")
    assert same(begun, network(2, **ours))


@pytest.mark.parametrize("count", [1, 11])
def test_positions_of_no_square_grid_are_refused(count: int, tmp_path: Path) -> None:
    tensors = official(network(1), ("backbone",)) | {"backbone.pos_embed": torch.zeros(1, count, 64)}
    torch.save(tensors, tmp_path / "odd.pth")
    with pytest.raises(DataError, match=rf"pos_embed is \(1, {count}, 64\), not \(1, 17, 64\)"):
        begin(network(2), tmp_path / "odd.pth")
