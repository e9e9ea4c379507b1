import numpy as np
import pytest
import torch
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

from dinov2.models import ModelConfig
from dinov2.training.network import HeadsConfig, Network
from dinov2.training.optimiser import Hyper, OptimiserConfig, apply, build_optimiser, clip, norms, parameter_groups
from dinov2.training.sharding import process_group

TINY = ModelConfig(arch="vit_tiny", patch_size=8, embed_dim=32, depth=3, num_heads=2, registers=1)
HEADS = HeadsConfig(prototypes=20, hidden=16, dino_bottleneck=8, ibot_bottleneck=8)


def test_every_parameter_has_the_published_factors() -> None:
    network = Network(TINY.build(32), HEADS)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {
        names[id(parameter)]: (round(group["lr_factor"], 6), group["decay_factor"], group["last_layer"])
        for group in parameter_groups(network, OptimiserConfig(layer_decay=0.5))
        for parameter in group["params"]
    }
    assert found.keys() == set(names.values())
    embeddings = 0.5**4
    assert found["backbone.cls_token"] == (embeddings, 1.0, False)
    assert found["backbone.pos_embed"] == (embeddings, 1.0, False)
    assert found["backbone.mask_token"] == (embeddings, 1.0, False)
    assert found["backbone.register_tokens"] == (embeddings, 1.0, False)
    assert found["backbone.patch_embed.proj.weight"] == (round(embeddings * 0.2, 6), 1.0, False)
    assert found["backbone.patch_embed.proj.bias"] == (round(embeddings * 0.2, 6), 0.0, False)
    assert found["backbone.blocks.0.attn.qkv.weight"] == (0.125, 1.0, False)
    assert found["backbone.blocks.2.attn.qkv.weight"] == (0.5, 1.0, False)
    assert found["backbone.blocks.2.norm1.weight"] == (0.5, 0.0, False)
    assert found["backbone.blocks.1.ls2.gamma"] == (0.25, 0.0, False)
    assert found["backbone.norm.weight"] == (1.0, 0.0, False)
    assert found["dino_head.mlp.0.weight"] == (1.0, 1.0, False)
    assert found["ibot_head.mlp.4.bias"] == (1.0, 0.0, False)
    assert found["dino_head.last_layer.weight_v"] == (1.0, 1.0, True)
    assert found["dino_head.last_layer.weight_g"] == (1.0, 1.0, True)


def test_layer_decay_of_the_short_recipe_on_vit_l() -> None:
    model = ModelConfig(arch="vit_large", patch_size=16)
    with torch.device("meta"):
        network = Network(model.build(224), HEADS)
    groups = parameter_groups(network, OptimiserConfig(layer_decay=0.9))
    factors = {id(parameter): group["lr_factor"] for group in groups for parameter in group["params"]}
    found = {name: factors[id(parameter)] for name, parameter in network.named_parameters()}
    table = 0.9 ** np.arange(25, -1, -1)  # embeddings, 24 blocks, and what follows them
    for block in range(24):
        names = [name for name in found if name.startswith(f"backbone.blocks.{block}.")]
        assert len(names) == 14
        assert [found[name] for name in names] == pytest.approx([table[block + 1]] * 14)
    assert found["backbone.pos_embed"] == pytest.approx(table[0])
    assert found["backbone.patch_embed.proj.weight"] == pytest.approx(0.2 * table[0])
    assert found["backbone.norm.bias"] == found["ibot_head.last_layer.weight_v"] == table[-1] == 1.0


def test_asking_for_the_state_of_a_new_optimiser_is_no_step() -> None:
    network = Network(TINY.build(32), HEADS)
    optimiser = build_optimiser(network, OptimiserConfig())
    with process_group(torch.device("cpu")):
        state = get_optimizer_state_dict(network, optimiser)["state"]
    assert state.keys() == dict(network.named_parameters()).keys()
    for own in state.values():
        assert own["step"] == 0.0
        assert not own["exp_avg"].any()
        assert not own["exp_avg_sq"].any()


@pytest.mark.parametrize("asked", [False, True])
def test_the_first_step_is_that_of_a_new_adamw(asked: bool) -> None:
    network, other = Network(TINY.build(32), HEADS), Network(TINY.build(32), HEADS)
    other.load_state_dict(network.state_dict())
    optimiser = build_optimiser(network, OptimiserConfig())
    if asked:
        get_optimizer_state_dict(network, optimiser)
    apply(optimiser, Hyper(lr=0.1, last_layer_lr=0.1, weight_decay=0.0, momentum=0.9, teacher_temperature=0.04))
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimiser.step()
    rate = 0.1 * OptimiserConfig().patch_embed_lr
    for (name, new), old in zip(network.named_parameters(), other.parameters(), strict=True):
        # The first step of Adam goes the rate in the direction of the gradient's sign.
        assert new.grad is not None
        own = rate if ".patch_embed." in name else 0.1
        torch.testing.assert_close(new.detach(), old.detach() - own * new.grad.sign(), rtol=1e-4, atol=1e-4)


def test_frozen_prototypes_stand_still_while_the_rest_moves() -> None:
    network = Network(TINY.build(32), HEADS)
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    optimiser = build_optimiser(network, OptimiserConfig())
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    apply(optimiser, Hyper(lr=0.1, last_layer_lr=0.0, weight_decay=0.1, momentum=0.9, teacher_temperature=0.04))
    optimiser.step()
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name]) == ("last_layer" in name), name


def test_backbone_and_heads_are_clipped_on_their_own() -> None:
    network = Network(TINY.build(32), HEADS)
    for name, parameter in network.named_parameters():
        parameter.grad = torch.full_like(parameter, 1.0 if name.startswith("backbone") else 1e-4)
    found = norms(network)
    clip(network, found, limit=3.0, factor=1.0)
    count = sum(parameter.numel() for parameter in network.backbone.parameters())
    torch.testing.assert_close(found["backbone"], torch.tensor(count**0.5), rtol=1e-5, atol=0)
    clipped = torch.stack([p.grad.square().sum() for p in network.backbone.parameters() if p.grad is not None])
    torch.testing.assert_close(clipped.sum().sqrt(), torch.tensor(3.0), rtol=1e-4, atol=0)
    assert network.dino_head.mlp[0].weight.grad is not None
    assert float(network.dino_head.mlp[0].weight.grad.max()) == float(torch.tensor(1e-4))


def test_a_shared_head_is_clipped_once() -> None:
    network = Network(TINY.build(32), HEADS.model_copy(update={"shared": True}))
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    assert set(norms(network)) == {"backbone", "dino_head"}


def test_the_factor_on_the_loss_is_taken_out_of_the_gradients() -> None:
    network = Network(TINY.build(32), HEADS)
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 0.5 * 1024)
    found = {name: norm / 1024 for name, norm in norms(network).items()}
    clip(network, found, limit=1e9, factor=1024.0)
    gradients = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    torch.testing.assert_close(gradients, torch.full_like(gradients, 0.5))
