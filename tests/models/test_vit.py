import math

import pytest
import torch
from torch import Tensor

from dinov2.errors import ConfigError
from dinov2.models import VisionTransformer, create_model


def small(**overrides: object) -> VisionTransformer:
    torch.manual_seed(0)
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4, "layerscale": 0.5}
    model = VisionTransformer(**(sizes | overrides)).double().eval()  # type: ignore[arg-type]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def written_out(model: VisionTransformer, image: Tensor) -> Tensor:
    """The textbook transformer for one square image of the training size, one head and one token at a time."""
    weights = {name: value.double() for name, value in model.state_dict().items()}
    patch, heads, width = model.patch_size, model.num_heads, model.embed_dim

    def norm(x: Tensor, name: str) -> Tensor:
        mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return (x - mean) / (variance + 1e-6).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def project(x: Tensor, name: str) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    tokens = [weights["cls_token"][0, 0] + weights["pos_embed"][0, 0]]
    side = image.shape[-1] // patch
    for row in range(side):
        for column in range(side):
            pixels = image[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            value = (weights["patch_embed.proj.weight"] * pixels).sum((1, 2, 3)) + weights["patch_embed.proj.bias"]
            tokens.append(value + weights["pos_embed"][0, 1 + row * side + column])
    if model.num_registers:
        tokens[1:1] = list(weights["register_tokens"][0])
    x = torch.stack(tokens)
    for number in range(len(model.blocks)):
        block = f"blocks.{number}"
        query, key, value = project(norm(x, f"{block}.norm1"), f"{block}.attn.qkv").chunk(3, dim=-1)
        mixed = []
        for head in range(heads):
            part = slice(head * width // heads, (head + 1) * width // heads)
            scores = query[:, part] @ key[:, part].T / math.sqrt(width // heads)
            mixed.append(scores.softmax(-1) @ value[:, part])
        x = x + weights[f"{block}.ls1.gamma"] * project(torch.cat(mixed, -1), f"{block}.attn.proj")
        hidden = norm(x, f"{block}.norm2")
        if model.ffn == "mlp":
            out = project(torch.nn.functional.gelu(project(hidden, f"{block}.mlp.fc1")), f"{block}.mlp.fc2")
        else:
            gate, through = project(hidden, f"{block}.mlp.w12").chunk(2, -1)
            out = project(gate * torch.sigmoid(gate) * through, f"{block}.mlp.w3")
        x = x + weights[f"{block}.ls2.gamma"] * out
    return norm(x, "norm")


@pytest.mark.parametrize("ffn", ["mlp", "swiglu"])
@pytest.mark.parametrize("num_registers", [0, 3])
def test_features_equal_a_transformer_written_out_token_by_token(ffn: str, num_registers: int) -> None:
    model = small(ffn=ffn, num_registers=num_registers)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    features = model.forward_features(images)
    for number, image in enumerate(images):
        expected = written_out(model, image)
        torch.testing.assert_close(features.cls[number], expected[0])
        torch.testing.assert_close(features.registers[number], expected[1 : 1 + num_registers])
        torch.testing.assert_close(features.patches[number], expected[1 + num_registers :])


def test_packed_crops_give_the_features_and_gradients_of_crops_on_their_own() -> None:
    model = small()
    large, little = (torch.randn(count, 3, size, size, dtype=torch.float64) for count, size in ((3, 32), (5, 16)))
    masks = torch.rand(3, 16) < 0.4

    def gradients(loss: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(loss, list(model.parameters())))

    packed = model.forward_packed([large, little], [masks, None])
    alone = [model.forward_features(large, masks), model.forward_features(little)]
    for one, other in zip(packed, alone, strict=True):
        torch.testing.assert_close(one.cls, other.cls)
        torch.testing.assert_close(one.patches, other.patches)
    together = gradients(sum(part.cls.square().sum() + part.patches.cos().sum() for part in packed))  # type: ignore[arg-type]
    apart = gradients(sum(part.cls.square().sum() + part.patches.cos().sum() for part in alone))  # type: ignore[arg-type]
    for one_gradient, other_gradient in zip(together, apart, strict=True):
        torch.testing.assert_close(one_gradient, other_gradient)


def test_dense_bf16_attention_on_a_cpu_agrees_with_fp32() -> None:
    model = small(layerscale=0.1).float()
    images = torch.randn(4, 3, 32, 32)
    expected = model(images)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(images).float()
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.995


def test_no_image_sees_another() -> None:
    model, images = small(), torch.randn(4, 3, 32, 32, dtype=torch.float64)
    changed = images.clone()
    changed[0] += 1.0
    torch.testing.assert_close(model(changed)[1:], model(images)[1:], rtol=0, atol=0)


def test_masked_patches_do_not_reach_the_features() -> None:
    model, images = small(), torch.randn(1, 3, 32, 32, dtype=torch.float64)
    masks = torch.zeros(1, 16, dtype=torch.bool)
    masks[0, 0] = True
    changed = images.clone()
    changed[:, :, :8, :8] = 9.0
    torch.testing.assert_close(model.forward_features(changed, masks).cls, model.forward_features(images, masks).cls)


def test_stochastic_depth_computes_only_the_kept_sequences() -> None:
    model = small(drop_path=0.5).train()
    seen: list[int] = []
    model.blocks[0].mlp.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[0]))
    model(torch.randn(8, 3, 32, 32, dtype=torch.float64))
    assert seen == [4 * 17]


def test_intermediate_layers_end_with_the_features() -> None:
    model, images = small(num_registers=2), torch.randn(2, 3, 32, 48, dtype=torch.float64)
    layers = model.get_intermediate_layers(images, n=2, reshape=True)
    features = model.forward_features(images)
    assert [patches.shape for patches, _ in layers] == [(2, 48, 4, 6)] * 2
    torch.testing.assert_close(layers[-1][1], features.cls)
    torch.testing.assert_close(layers[-1][0].flatten(2).transpose(1, 2), features.patches)


def test_images_that_are_no_multiple_of_the_patch_are_refused() -> None:
    with pytest.raises(ConfigError, match="30x32 pixels: not multiples of patch 8"):
        small()(torch.randn(1, 3, 30, 32, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "millions"), [("vit_small", 22.1), ("vit_base", 86.6), ("vit_large", 304.4), ("vit_giant2", 1136.5)]
)
def test_named_architectures_have_the_published_number_of_parameters(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = create_model(name, patch_size=14, img_size=518)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'vit_huge'; allowed: vit_base, vit_giant2, vit_large, vit_small, vit_tiny"):
        create_model("vit_huge")
