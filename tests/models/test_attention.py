import math
import subprocess
import sys
from importlib.util import find_spec
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from dinov2.errors import ConfigError
from dinov2.models import create_model
from dinov2.models.attention import BACKENDS, Attention, attend, available, choose, set_attention, varlen
from dinov2.models.attention.memory_efficient import block_diagonal
from dinov2.models.packing import Layout
from dinov2.settings import Settings

CPU = torch.device("cpu")
HEADS, WIDTH = 3, 16
LAYOUTS = [
    Layout(((1, 1),)),
    Layout(((1, 9),)),
    Layout(((4, 1),)),
    Layout(((2, 17), (5, 6))),
    Layout(((3, 33), (1, 1), (2, 10))),
]
NO_CUDA = "there is no CUDA device here"


def where(name: str) -> tuple[torch.device, torch.dtype]:
    """A device and the most precise type that the backend works with; skips where this machine has none."""
    if name not in ("auto", "sdpa", "dense"):
        if not torch.cuda.is_available():
            pytest.skip(f"{name}: {NO_CUDA}")
        device, dtype = torch.device("cuda", 0), torch.float16
        if name not in available(device, dtype, WIDTH):
            pytest.skip(f"{name}: {BACKENDS[name].why_not(device, dtype, WIDTH)}")
        return device, dtype
    return CPU, torch.float64


def packed(layout: Layout, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(sum(layout.sizes), 3, HEADS, WIDTH, generator=generator, dtype=torch.float64)


def one_by_one(qkv_t3hd: Tensor, layout: Layout) -> Tensor:
    """The definition, for one query of one head of one image at a time."""
    rows, start = [], 0
    for count, length in layout.groups:
        for _ in range(count):
            q, k, v = qkv_t3hd[start : start + length].unbind(1)
            for token in range(length):
                row = []
                for head in range(HEADS):
                    weights = ((k[:, head] * q[token, head]).sum(1) / math.sqrt(WIDTH)).exp()
                    row.append((weights[:, None] * v[:, head]).sum(0) / weights.sum())
                rows.append(torch.cat(row))
            start += length
    return torch.stack(rows)


def with_gradient(qkv: Tensor, layout: Layout, name: str) -> tuple[Tensor, Tensor]:
    """The output, and the gradient of a fixed weighted sum of it."""
    qkv = qkv.detach().requires_grad_()
    out = one_by_one(qkv, layout) if name == "truth" else attend(qkv, layout, name)
    weights = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).reshape(out.shape)
    return out.detach(), torch.autograd.grad((out * weights.to(out)).sum(), qkv)[0]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.groups))
@pytest.mark.parametrize("name", ["auto", *BACKENDS])
def test_a_backend_is_softmax_attention_within_each_image(name: str, layout: Layout) -> None:
    device, dtype = where(name)
    qkv = packed(layout).to(dtype)
    expected = with_gradient(qkv.double(), layout, "truth")
    tolerance = 1e-12 if dtype == torch.float64 else 2e-2
    for ours, truth in zip(with_gradient(qkv.to(device), layout, name), expected, strict=True):
        torch.testing.assert_close(ours.cpu().double(), truth, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["auto", *BACKENDS])
def test_one_image_changes_no_other_images_output(name: str) -> None:
    device, dtype = where(name)
    layout, own = Layout(((2, 7), (3, 4))), slice(7, 14)
    before = packed(layout).to(device, dtype)
    after = before.clone()
    after[own] = packed(layout, seed=1)[own].to(device, dtype)
    changed = (attend(before, layout, name) != attend(after, layout, name)).any(1)
    assert changed[own].all()
    assert not changed[:7].any()
    assert not changed[14:].any()


@pytest.mark.parametrize("tokens", [512, 513])
def test_in_bf16_on_a_cpu_the_rule_is_dense_for_short_sequences_and_fused_for_long(tokens: int) -> None:
    mixed = Layout(((1, tokens), (2, 5)))
    qkv = packed(mixed).bfloat16()
    long_td, short_td = attend(qkv, mixed).split(mixed.sizes)
    long_qkv, short_qkv = qkv.split(mixed.sizes)
    dense, fused = (attend(long_qkv, Layout(mixed.groups[:1]), name) for name in ("dense", "sdpa"))
    assert not torch.equal(dense, fused)
    assert torch.equal(long_td, dense if tokens == 512 else fused)
    assert torch.equal(short_td, attend(short_qkv, Layout(mixed.groups[1:]), "dense"))


def test_in_fp32_the_rule_is_the_fused_kernel() -> None:
    qkv = packed(LAYOUTS[3]).float()
    assert torch.equal(attend(qkv, LAYOUTS[3]), attend(qkv, LAYOUTS[3], "sdpa"))


def test_the_setting_allows_what_there_is() -> None:
    assert set(get_args(Settings.model_fields["attention"].annotation)) == {"auto", "measure", *BACKENDS}


def test_on_a_cpu_only_the_backends_with_a_cpu_kernel_are_available() -> None:
    assert available(CPU, torch.bfloat16) == ["sdpa", "dense"]


@pytest.mark.parametrize("name", ["xformers", "varlen"])
def test_a_backend_that_does_not_work_here_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{name}': needs a CUDA device, not cpu; allowed here: auto, .*dense"):
        choose(name, LAYOUTS[3], HEADS, WIDTH, CPU, torch.bfloat16)


@pytest.mark.parametrize(
    ("name", "dtype", "width", "capability", "reason"),
    [
        ("varlen", torch.float32, 64, (9, 0), "needs bfloat16 or float16, not float32"),
        ("varlen", torch.bfloat16, 20, (9, 0), "multiple of 8 channels up to 256, not 20"),
        ("varlen", torch.bfloat16, 512, (9, 0), "multiple of 8 channels up to 256, not 512"),
        ("varlen", torch.bfloat16, 64, (7, 5), "flash attention, which torch .* does not have for this device"),
        ("varlen", torch.bfloat16, 64, (9, 0), None),
        ("xformers", torch.float64, 64, (9, 0), "no kernel for float64"),
        ("xformers", torch.bfloat16, 64, (7, 5), r"no kernel for bfloat16 on compute capability \(7, 5\)"),
        ("xformers", torch.float32, 64, (10, 0), "no kernel for float32"),
        ("xformers", torch.bfloat16, 20, (9, 0), "multiple of 8 channels, not 20"),
        ("xformers", torch.float32, 64, (9, 0), None),
    ],
)
def test_on_a_gpu_the_reason_names_what_is_missing(
    name: str,
    dtype: torch.dtype,
    width: int,
    capability: tuple[int, int],
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: capability)
    monkeypatch.setattr("torch.backends.cuda.is_flash_attention_available", lambda: True)
    monkeypatch.setattr("dinov2.models.attention.memory_efficient.find_spec", lambda _: True)
    device = torch.device("cuda", 0)
    if reason is None:
        assert choose(name, LAYOUTS[3], HEADS, width, device, dtype).backend == name
    else:
        with pytest.raises(ConfigError, match=f"'{name}': .*{reason}.*; allowed here: auto, measure, sdpa, dense"):
            choose(name, LAYOUTS[3], HEADS, width, device, dtype)


def test_without_xformers_the_reason_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinov2.models.attention.memory_efficient.find_spec", lambda _: None)
    reason = BACKENDS["xformers"].why_not(torch.device("cuda", 0), torch.bfloat16, WIDTH)
    assert reason == "needs xformers, which is not installed (pip install '.[gpu]')"


def test_the_compiler_does_not_look_into_the_kernels_of_xformers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def kernel(qkv_t3hd: Tensor, _: Layout) -> Tensor:
        seen.append(torch.compiler.is_compiling())
        return qkv_t3hd[:, 0].flatten(1)

    monkeypatch.setattr("dinov2.models.attention.memory_efficient._attend", kernel)
    compiled = torch.compile(lambda qkv_t3hd: attend(2 * qkv_t3hd, LAYOUTS[1], "xformers") + 1, backend="eager")
    qkv_t3hd = torch.rand(9, 3, HEADS, WIDTH)
    assert torch.equal(compiled(qkv_t3hd), 2 * qkv_t3hd[:, 0].flatten(1) + 1)
    assert seen == [False]


def test_models_are_there_without_the_compiler() -> None:
    said = subprocess.check_output([sys.executable, "-c", "import sys, dinov2.models; print(*sys.modules)"], text=True)
    assert "dinov2.models.attention.memory_efficient" in said.split()
    assert "torch._dynamo" not in said.split()


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="'flash': no such backend; allowed here: auto, measure, sdpa, dense"):
        choose("flash", LAYOUTS[3], HEADS, WIDTH, CPU, torch.float32)
    with pytest.raises(ConfigError, match="attention backend 'measure'; allowed: auto, sdpa, dense, xformers, varlen"):
        set_attention(nn.Linear(1, 1), "measure")


def test_measuring_chooses_the_fastest_of_what_is_available_and_draws_nothing() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    choice = choose("measure", LAYOUTS[3], HEADS, WIDTH, CPU, torch.float32)
    assert list(choice.seconds) == available(CPU, torch.float32)
    assert choice.seconds[choice.backend] == min(choice.seconds.values()) > 0
    assert torch.equal(torch.get_rng_state(), state)


def test_measuring_leaves_out_dense_attention_where_its_weights_of_all_pairs_would_be_many() -> None:
    assert list(choose("measure", Layout(((1, 513), (1, 2))), 1, 8, CPU, torch.float32).seconds) == ["sdpa"]


@pytest.mark.parametrize("name", ["auto", "sdpa", "dense"])
def test_a_name_that_works_is_taken_unmeasured(name: str) -> None:
    choice = choose(name, LAYOUTS[3], HEADS, WIDTH, CPU, torch.float32)
    assert (choice.backend, choice.seconds) == (name, {})


def test_setting_the_backend_reaches_every_layer_and_leaves_the_weights_alone() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict({"a": Attention(48, 3), "b": nn.Sequential(Attention(48, 3))})
    names = set(model.state_dict())
    x, layout = torch.randn(34, 48, dtype=torch.bfloat16), Layout(((2, 17),))
    model.to(torch.bfloat16)
    before = model["a"](x, layout)
    set_attention(model, "sdpa")
    assert [module.backend for module in model.modules() if isinstance(module, Attention)] == ["sdpa", "sdpa"]
    assert Attention.backend == "auto"
    assert set(model.state_dict()) == names
    after = model["a"](x, layout)
    assert not torch.equal(before, after)  # rounded otherwise: another kernel ran
    torch.testing.assert_close(before, after, rtol=0.05, atol=0.01)


def test_the_layers_of_a_backbone_take_the_backend() -> None:
    model = create_model("vit_small", img_size=28, depth=2)
    set_attention(model, "dense")
    assert [block.attn.backend for block in model.blocks] == ["dense", "dense"]


def test_boundaries_are_where_images_begin_and_can_be_used_in_training_after_inference() -> None:
    layout = Layout(((2, 11), (3, 5)))
    with torch.inference_mode():
        starts = varlen.boundaries(layout, CPU)
    assert starts.tolist() == [0, 11, 22, 27, 32, 37]
    assert starts.dtype == torch.int32
    assert not starts.is_inference()


def test_this_torch_takes_the_call_for_sequences_of_several_lengths() -> None:
    layout = Layout(((2, 11), (3, 5)))
    qkv = torch.empty(37, 3, HEADS, WIDTH, dtype=torch.bfloat16, device="meta", requires_grad=True)
    out = attend(qkv, layout, "varlen")
    assert out.shape == (37, HEADS * WIDTH)
    assert torch.autograd.grad(out.sum(), qkv)[0].shape == qkv.shape


@pytest.mark.skipif(find_spec("xformers") is None, reason="xformers is not installed")
def test_the_block_diagonal_mask_lets_tokens_of_one_image_see_each_other_only() -> None:
    layout = Layout(((2, 3), (1, 2)))
    visible = block_diagonal(layout, CPU).materialize((8, 8)) == 0
    image = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    assert torch.equal(visible, image[:, None] == image)
