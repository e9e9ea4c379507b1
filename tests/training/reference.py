"""A training step written out from the papers, image by image and pair by pair, in float64; nothing of the project.

Networks are tensors by the names of our state dicts. Gradients are autograd's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

State = dict[str, Tensor]
Everyone = Sequence[Sequence[float]]
"""For each image the gains of its residual branches, two a block; 0 where stochastic depth skips it."""


@dataclass(frozen=True)
class Shape:
    """What the tensors do not say of a vision transformer."""

    heads: int
    patch: int
    registers: int = 0


@dataclass(frozen=True)
class Terms:
    """A step's losses and what the teacher said, all whole."""

    dino_global: Tensor
    dino_local: Tensor
    ibot: Tensor
    koleo: Tensor
    total: Tensor
    teacher_cls: Tensor
    teacher_patches: Tensor


def layer_norm(x_nd: Tensor, state: State, name: str) -> Tensor:
    centred = x_nd - x_nd.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return centred / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def affine(x: Tensor, state: State, name: str) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def attention(x_nd: Tensor, state: State, name: str, heads: int) -> Tensor:
    """One sequence, one head after the other."""
    dim = x_nd.shape[1]
    width = dim // heads
    queries, keys, values = affine(x_nd, state, f"{name}.qkv").split(dim, dim=1)
    out = []
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        scores = queries[:, own] @ keys[:, own].T / math.sqrt(width)
        weights = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
        out.append(weights @ values[:, own])
    return affine(torch.cat(out, dim=1), state, f"{name}.proj")


def feed_forward(x_nd: Tensor, state: State, name: str) -> Tensor:
    if f"{name}.fc1.weight" in state:
        return affine(gelu(affine(x_nd, state, f"{name}.fc1")), state, f"{name}.fc2")
    gate, value = affine(x_nd, state, f"{name}.w12").tensor_split(2, dim=1)
    return affine(gate / (1.0 + torch.exp(-gate)) * value, state, f"{name}.w3")


def positions(pos_nd: Tensor, side: int, registers: int) -> Tensor:
    """Of `side` x `side` patches; the releases without registers resample at an offset of 0.1, those with antialias."""
    native = round((len(pos_nd) - 1) ** 0.5)
    if side == native:
        return pos_nd
    grid = pos_nd[1:].T.reshape(1, -1, native, native)
    if registers:
        grid = interpolate(grid, size=(side, side), mode="bicubic", antialias=True)
    else:
        grid = interpolate(grid, scale_factor=(side + 0.1) / native, mode="bicubic")
    return torch.cat([pos_nd[:1], grid.reshape(-1, side * side).T])


def tokens(state: State, shape: Shape, image_3hw: Tensor, mask_n: Tensor | None) -> Tensor:
    side, p = image_3hw.shape[1] // shape.patch, shape.patch
    kernel, bias = state["patch_embed.proj.weight"], state["patch_embed.proj.bias"]
    rows = []
    for number in range(side * side):
        top, left = number // side * p, number % side * p
        patch = image_3hw[:, top : top + p, left : left + p]
        hidden = mask_n is not None and bool(mask_n[number])
        rows.append(state["mask_token"][0] if hidden else (kernel * patch).sum(dim=(1, 2, 3)) + bias)
    placed = torch.stack([state["cls_token"][0, 0], *rows])
    placed = placed + positions(state["pos_embed"][0], side, shape.registers)
    registers = state["register_tokens"][0] if shape.registers else placed[:0]
    return torch.cat([placed[:1], registers, placed[1:]])


def backbone(
    state: State, shape: Shape, image_3hw: Tensor, mask_n: Tensor | None = None, gains: Sequence[float] | None = None
) -> tuple[Tensor, Tensor]:
    """The normalised class token (D,) and patch tokens (N, D) of one image."""
    x_nd = tokens(state, shape, image_3hw, mask_n)
    depth = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
    for number in range(depth):
        block = f"blocks.{number}"
        first, second = gains[2 * number : 2 * number + 2] if gains else (1.0, 1.0)
        if first:
            added = attention(layer_norm(x_nd, state, f"{block}.norm1"), state, f"{block}.attn", shape.heads)
            x_nd = x_nd + first * state[f"{block}.ls1.gamma"] * added
        if second:
            added = feed_forward(layer_norm(x_nd, state, f"{block}.norm2"), state, f"{block}.mlp")
            x_nd = x_nd + second * state[f"{block}.ls2.gamma"] * added
    x_nd = layer_norm(x_nd, state, "norm")
    return x_nd[0], x_nd[1 + shape.registers :]


def logits(state: State, head: str, token_d: Tensor) -> Tensor:
    """The cosines of one token's projection with the prototypes, times their gains (K,)."""
    x = token_d
    for layer in (0, 2, 4):
        x = affine(x, state, f"{head}.mlp.{layer}")
        x = gelu(x) if layer < 4 else x
    directions = state[f"{head}.last_layer.weight_v"]
    cosines = directions @ (x / x.square().sum().sqrt()) / directions.square().sum(dim=1).sqrt()
    return state[f"{head}.last_layer.weight_g"][:, 0] * cosines


def part(state: State, name: str) -> State:
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def sinkhorn(logits_nk: Tensor, temperature: float) -> Tensor:
    """SwAV, listing 1: columns, then rows, three times."""
    q = (logits_nk / temperature).exp()
    if not len(q):
        return q
    q = q / q.sum()
    for _ in range(3):
        q = q / q.sum(dim=0, keepdim=True) / q.shape[1]
        q = q / q.sum(dim=1, keepdim=True) / q.shape[0]
    return q * q.shape[0]


def softmax(logits_nk: Tensor) -> Tensor:
    return logits_nk.exp() / logits_nk.exp().sum(dim=-1, keepdim=True)


def koleo(cls_bd: Tensor) -> Tensor:
    """Minus the mean log distance of unit vectors to the nearest other one."""
    unit = cls_bd / cls_bd.square().sum(dim=1, keepdim=True).sqrt()
    logs = []
    for one in range(len(unit)):
        distances = [(unit[one] - unit[other]).square().sum().sqrt() for other in range(len(unit)) if other != one]
        logs.append(torch.stack(distances).min().log())
    return -torch.stack(logs).mean()


def step(
    student: State,
    teacher: State,
    shape: Shape,
    teacher_shape: Shape,
    globals_: Tensor,
    locals_: Tensor,
    hidden: Tensor | None,
    predicted: Tensor,
    temperature: float,
    group: int,
    gains: Everyone | None = None,
    centres: tuple[Tensor, Tensor] | None = None,
    weights: tuple[float, float, float] = (1.0, 1.0, 0.1),
) -> Terms:
    """The losses of a step.

    Args:
        student: tensors of a network; those that require gradients get them.
        teacher: of the other network.
        shape: of the student's backbone.
        teacher_shape: of the teacher's.
        globals_: (2, B, 3, G, G).
        locals_: (L, B, 3, l, l).
        hidden: (2, B, N), patches the student does not see.
        predicted: (2, B, N), patches it predicts the teacher's assignment of.
        temperature: the teacher's; the student's is 0.1.
        group: images among which neighbours are sought.
        gains: of the residual branches, of all global and then all local crops.
        centres: of the class tokens' logits and of the patches'; None for Sinkhorn-Knopp.
        weights: of DINO, iBOT and KoLeo.
    """
    batch, local_count = globals_.shape[1], len(locals_)
    crops = [(c, b) for c in range(2 + local_count) for b in range(batch)]

    told: dict[tuple[int, int], Tensor] = {}
    cls: dict[tuple[int, int], Tensor] = {}
    patches: dict[tuple[int, int], Tensor] = {}
    taught: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for number, (c, b) in enumerate(crops):
        image = globals_[c, b] if c < 2 else locals_[c - 2, b]
        mask = hidden[c, b] if hidden is not None and c < 2 else None
        own = gains[number] if gains else None
        cls[c, b], patches[c, b] = backbone(part(student, "backbone"), shape, image, mask, own)
        told[c, b] = logits(student, "dino_head", cls[c, b])
        if c < 2:
            with torch.no_grad():
                taught[c, b] = backbone(part(teacher, "backbone"), teacher_shape, image)

    masked = [(c, b, n) for c, b in crops if c < 2 for n in range(predicted.shape[2]) if predicted[c, b, n]]
    count = len(student["dino_head.last_layer.weight_g"])
    with torch.no_grad():
        cls_nk = torch.stack([logits(teacher, "dino_head", taught[c, b][0]) for c, b in crops if c < 2])
        rows = [logits(teacher, "ibot_head", taught[c, b][1][n]) for c, b, n in masked]
        patch_nk = torch.stack(rows) if rows else cls_nk.new_zeros(0, count)
        if centres is None:
            cls_targets, patch_targets = sinkhorn(cls_nk, temperature), sinkhorn(patch_nk, temperature)
        else:
            cls_targets = softmax((cls_nk - centres[0]) / temperature)
            patch_targets = softmax((patch_nk - centres[1]) / temperature)

    def cross_entropy(target_k: Tensor, logits_k: Tensor) -> Tensor:
        return -(target_k * softmax(logits_k / 0.1).log()).sum()

    zero = cls_nk.new_zeros(())
    own, local = zero, zero
    for c in range(2 + local_count):
        for t in range(2):
            if c == t:
                continue
            pair = torch.stack([cross_entropy(cls_targets[t * batch + b], told[c, b]) for b in range(batch)]).mean()
            own, local = (own + pair, local) if c < 2 else (own, local + pair)
    pairs = 2 + 2 * local_count
    own, local = own / pairs, local / pairs

    ibot = zero
    for row, (c, b, n) in enumerate(masked):
        entropy = cross_entropy(patch_targets[row], logits(student, "ibot_head", patches[c, b][n]))
        ibot = ibot + entropy / int(predicted[c, b].sum()) / (2 * batch)

    spread = zero
    for c in range(2):
        groups = [
            koleo(torch.stack([cls[c, b] for b in range(first, first + group)])) for first in range(0, batch, group)
        ]
        spread = spread + torch.stack(groups).mean()
    total = weights[0] * (own + local) + weights[1] * ibot + weights[2] * spread
    return Terms(own, local, ibot, spread, total, cls_nk, patch_nk)


def gradient_norm(gradients: State, name: str) -> float:
    return math.sqrt(sum(float(value.square().sum()) for key, value in gradients.items() if key.startswith(f"{name}.")))
