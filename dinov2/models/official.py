"""Weights of the official release: their names, and the architecture that tensors belong to."""

import re
from collections.abc import Mapping
from math import isqrt
from typing import Any

from torch import Tensor, nn

HEAD_WIDTH = 64
"""Width of an attention head in every release; tensors do not tell it."""

RENAMED = (
    (re.compile(r"(^|\.)blocks\.\d+\.(\d+)\."), r"\1blocks.\2."),
    (re.compile(r"(^|\.)last_layer\.parametrizations\.weight\.original0$"), r"\1last_layer.weight_g"),
    (re.compile(r"(^|\.)last_layer\.parametrizations\.weight\.original1$"), r"\1last_layer.weight_v"),
)

SIZES = {
    "patch_size": ("patch_embed.proj.weight", 2),
    "embed_dim": ("patch_embed.proj.weight", 0),
    "num_registers": ("register_tokens", 1),
    "positions": ("pos_embed", 1),
    "in_dim": ("mlp.0.weight", 1),
    "hidden_dim": ("mlp.0.weight", 0),
    "bottleneck_dim": ("last_layer.weight_v", 1),
    "prototypes": ("last_layer.weight_v", 0),
}
"""Where a size is read: the tensor and its axis."""

SENTENCES = {
    "num_registers": "{} registers in the weights, {} in the model",
    "patch_size": "patches of {} pixels in the weights, {} in the model",
    "embed_dim": "width {} in the weights, {} in the model",
    "depth": "depth {} in the weights, {} in the model",
    "ffn": "feed-forward {} in the weights, {} in the model",
    "grid": "a grid of {0}x{0} positions in the weights, {1}x{1} in the model",
    "in_dim": "a head on width {} in the weights, {} in the model",
    "hidden_dim": "a head of hidden width {} in the weights, {} in the model",
    "bottleneck_dim": "a head of bottleneck {} in the weights, {} in the model",
    "prototypes": "{} prototypes in the weights, {} in the model",
}


def own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names used here, whatever comes before these in a name.

    Blocks kept in chunks are named blocks.C.N.*, N being the block's number over all chunks (the chunk's earlier
    places are empty): they become blocks.N.*. Weight normalisation as a parametrisation becomes weight_g and weight_v.
    A tensor whose new name is taken keeps its old one, for strict loading to refuse.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = name
        for pattern, replacement in RENAMED:
            new = pattern.sub(replacement, new)
        renamed[name if new in tensors or new in renamed else new] = tensor
    return renamed


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, which is removed."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def describe(tensors: Mapping[str, Tensor]) -> dict[str, int | str]:
    """The sizes of the backbone or the head that tensors belong to, as far as they tell.

    Args:
        tensors: named as here, without a prefix.

    Returns:
        By the keys of `SENTENCES`. `grid` is the side of the square of position embeddings, in patches.
    """
    found: dict[str, Any] = {
        key: tensors[name].shape[axis]
        for key, (name, axis) in SIZES.items()
        if name in tensors and tensors[name].ndim > axis
    }
    if "positions" in found:
        found["grid"] = isqrt(max(found.pop("positions") - 1, 0))
    if "grid" in found or "embed_dim" in found:
        found.setdefault("num_registers", 0)
        found["depth"] = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
        for ffn, part in (("mlp", ".mlp.fc1."), ("swiglu", ".mlp.w12.")):
            if any(part in name for name in tensors):
                found["ffn"] = ffn
    return found


def differences(weights: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> list[str]:
    """A sentence for each size in which the weights differ from the model's own; both named as here."""
    found, wanted = describe(weights), describe(model)
    common = [key for key in SENTENCES if key in found and key in wanted]
    return [SENTENCES[key].format(found[key], wanted[key]) for key in common if found[key] != wanted[key]]


def infer_architecture(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of `VisionTransformer` for an official backbone.

    Position embeddings are interpolated as in the release: with registers antialiased and at the exact size, without
    registers neither.

    Raises:
        ValueError: says what the tensors do not tell, or that the width is none of a release.
    """
    found = describe(tensors)
    missing = [key for key in ("patch_size", "embed_dim", "grid", "depth", "ffn") if not found.get(key)]
    if missing:
        raise ValueError(f"no backbone of the official release: nothing tells its {', '.join(missing)}")
    width, patch, registers = int(found["embed_dim"]), int(found["patch_size"]), int(found["num_registers"])
    if width % HEAD_WIDTH:
        raise ValueError(f"width {width} is no multiple of {HEAD_WIDTH}, the width of a head in the official release")
    return {
        "img_size": int(found["grid"]) * patch,
        "patch_size": patch,
        "embed_dim": width,
        "depth": found["depth"],
        "num_heads": width // HEAD_WIDTH,
        "ffn": found["ffn"],
        "num_registers": registers,
        "interpolate_antialias": registers > 0,
        "interpolate_offset": 0.0 if registers else 0.1,
    }


def accept_official(module: nn.Module, state: dict[str, Tensor], prefix: str, *lists: Any) -> None:
    """Let a backbone or a head load official names, and say in words which sizes differ.

    A pre-hook of `load_state_dict`: it renames in place, and adds to the messages, the last of `lists`, of the error
    that torch raises. Other sizes are an error under strict=False too, which torch does not tell its hooks: without
    a word it would leave registers out, or blocks random.
    """
    renamed = own_names(state)
    state.clear()
    state.update(renamed)
    lists[-1].extend(differences(under(state, prefix), dict(module.named_parameters())))
