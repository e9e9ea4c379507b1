import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dinov2.models import DINOHead, VisionTransformer, create_model
from dinov2.models.official import describe, infer_architecture, own_names
from dinov2.training.network import HeadsConfig, Network

Official = Callable[..., dict[str, Tensor]]


def narrow(img_size: int = 518, **changes: object) -> VisionTransformer:
    return VisionTransformer(**({"img_size": img_size, "embed_dim": 64, "depth": 3, "num_heads": 1} | changes)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("chunk", [0, 6])
def test_the_published_small_and_giant_models_have_exactly_our_names_and_shapes(official: Official, chunk: int) -> None:
    small = official(384, 12, chunk=chunk, device="meta")
    giant = official(1536, 40, chunk=chunk, registers=4, swiglu=4096, device="meta")
    with torch.device("meta"):
        models = create_model("vit_small", img_size=518), create_model("vit_giant2", img_size=518, num_registers=4)
    for model, weights in zip(models, (small, giant), strict=True):
        loaded = model.load_state_dict(weights, strict=True)
        assert (loaded.missing_keys, loaded.unexpected_keys) == ([], [])


@pytest.mark.parametrize("size", [56, 70])
def test_blocks_kept_in_chunks_give_the_features_of_plain_ones(official: Official, size: int) -> None:
    plain, chunked = narrow(), narrow()
    plain.load_state_dict(official())
    chunked.load_state_dict(official(chunk=2))
    images = torch.randn(2, 3, size, size)
    assert torch.equal(plain(images), chunked(images))
    assert not torch.allclose(plain(images), narrow()(images))


def test_every_value_lands_in_the_parameter_of_its_name(official: Official) -> None:
    tensors = official(registers=4, swiglu=176)
    model = narrow(num_registers=4, ffn="swiglu")
    model.load_state_dict(tensors)
    assert model.state_dict().keys() == tensors.keys()
    assert all(torch.equal(value, tensors[name]) for name, value in model.state_dict().items())


def test_chunks_load_inside_a_network_and_into_a_copy_of_a_model(official: Official) -> None:
    heads = DINOHead(64, 16, 64, 8).state_dict()
    tensors = {f"backbone.{name}": tensor for name, tensor in official(chunk=2).items()}
    tensors |= {f"{head}.{name}": tensor for head in ("dino_head", "ibot_head") for name, tensor in heads.items()}
    network = Network(narrow(), HeadsConfig(prototypes=16, hidden=64, dino_bottleneck=8, ibot_bottleneck=8))
    for one in (network, copy.deepcopy(network)):
        one.load_state_dict(tensors, strict=True)
        assert torch.equal(one.backbone.blocks[2].ls2.gamma, tensors["backbone.blocks.1.2.ls2.gamma"])


def test_loading_leaves_the_callers_dictionary_alone(official: Official) -> None:
    tensors = official(chunk=2)
    names = list(tensors)
    narrow().load_state_dict(tensors)
    assert list(tensors) == names


def test_chunks_that_each_count_from_nought_are_refused(official: Official) -> None:
    tensors = official(depth=2, chunk=1)
    counted = {name.replace("blocks.1.1.", "blocks.1.0."): tensor for name, tensor in tensors.items()}
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"blocks\.1\.0\.norm1\.weight"'):
        narrow(depth=2).load_state_dict(counted)


@pytest.mark.parametrize(
    ("weights", "model", "words"),
    [
        ({"registers": 4}, {}, "4 registers in the weights, 0 in the model"),
        ({}, {"num_registers": 4}, "0 registers in the weights, 4 in the model"),
        ({}, {"patch_size": 7}, "patches of 14 pixels in the weights, 7 in the model"),
        ({}, {"embed_dim": 128, "num_heads": 2}, "width 64 in the weights, 128 in the model"),
        ({"chunk": 2}, {"depth": 12}, "depth 3 in the weights, 12 in the model"),
        ({"swiglu": 176}, {}, "feed-forward swiglu in the weights, mlp in the model"),
        ({}, {"img_size": 224}, "a grid of 37x37 positions in the weights, 16x16 in the model"),
    ],
)
def test_a_mismatch_is_told_in_words_beside_torchs_own_listing(
    official: Official, weights: dict[str, int], model: dict[str, int], words: str
) -> None:
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key|Unexpected key") as told:
        narrow(**model).load_state_dict(official(**weights))
    assert words in str(told.value)
    assert str(told.value).count("in the weights") == 1 + ("patch_size" in model)


def test_a_loading_that_is_not_strict_does_not_leave_registers_out(official: Official) -> None:
    with pytest.raises(RuntimeError, match="4 registers in the weights, 0 in the model"):
        narrow().load_state_dict(official(registers=4), strict=False)
    partial = narrow().load_state_dict({"norm.bias": torch.ones(64)}, strict=False)
    assert "norm.weight" in partial.missing_keys


def torch_head(parametrised: bool) -> nn.Module:
    """A head of torch's own parts, its last layer normalised in one of the two ways that torch has."""
    torch.manual_seed(1)
    layers = [nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 8)]
    norm = nn.utils.parametrizations.weight_norm if parametrised else nn.utils.weight_norm
    head = nn.Module()
    head.mlp, head.last_layer = nn.Sequential(*layers), norm(nn.Linear(8, 40, bias=False))
    return head


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("parametrised", [False, True])
def test_a_head_takes_both_forms_of_weight_normalisation(parametrised: bool) -> None:
    theirs, ours, x = torch_head(parametrised), DINOHead(16, 40, 32, 8), torch.randn(5, 16)
    assert any("original0" in name for name in theirs.state_dict()) == parametrised
    ours.load_state_dict(theirs.state_dict(), strict=True)
    expected = theirs.last_layer(nn.functional.normalize(theirs.mlp(x), dim=-1))
    torch.testing.assert_close(ours(x), expected)


def test_a_head_with_other_sizes_is_told_in_words() -> None:
    with pytest.raises(RuntimeError, match="48 prototypes in the weights, 40 in the model"):
        DINOHead(16, 40, 32, 8).load_state_dict(DINOHead(16, 48, 32, 8).state_dict())
    with pytest.raises(RuntimeError, match=r"(?s)hidden width 64 in the weights, 32 .*bottleneck 4 in the weights, 8"):
        DINOHead(16, 40, 32, 8).load_state_dict(DINOHead(16, 40, 64, 4).state_dict())


def test_a_tensor_whose_new_name_is_taken_keeps_its_own() -> None:
    both = {"last_layer.parametrizations.weight.original0": torch.zeros(1), "last_layer.weight_g": torch.ones(1)}
    for tensors in (both, dict(reversed(both.items()))):
        assert own_names(tensors) == tensors


@pytest.mark.parametrize("registers", [0, 4])
def test_the_architecture_is_read_from_the_tensors(official: Official, registers: int) -> None:
    found = infer_architecture(official(1536, 40, registers=registers, swiglu=4096, device="meta"))
    sizes = {"img_size": 518, "patch_size": 14, "embed_dim": 1536, "depth": 40, "num_heads": 24, "ffn": "swiglu"}
    interpolation = {"interpolate_antialias": bool(registers), "interpolate_offset": 0.0 if registers else 0.1}
    assert found == sizes | {"num_registers": registers} | interpolation


def test_what_tensors_do_not_tell_is_named(official: Official) -> None:
    tensors = official()
    del tensors["pos_embed"]
    with pytest.raises(ValueError, match="nothing tells its grid"):
        infer_architecture(tensors)
    with pytest.raises(ValueError, match="width 96 is no multiple of 64"):
        infer_architecture(official(96))
    assert describe({"pos_embed": torch.zeros(()), "patch_embed.proj.weight": torch.zeros(3)}) == {
        "embed_dim": 3,
        "num_registers": 0,
        "depth": 0,
    }
