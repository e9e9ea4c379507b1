"""Which backend to use: the one asked for, if it works there, or the one measured to be the fastest."""

import time
from dataclasses import dataclass, field
from statistics import median

import torch

from dinov2.errors import ConfigError
from dinov2.models.attention.auto import DENSE_TOKENS
from dinov2.models.attention.backends import BACKENDS, attend
from dinov2.models.packing import Layout

WARM_UPS = 2
ROUNDS = 7


@dataclass(frozen=True)
class Choice:
    """The backend to use, for `set_attention`, and where they were measured the seconds of each candidate."""

    backend: str
    seconds: dict[str, float] = field(default_factory=dict)


def available(device: torch.device, dtype: torch.dtype, width: int = 64) -> list[str]:
    """Names of the backends that can compute heads of `width` channels on `device` in `dtype`."""
    return [name for name, backend in BACKENDS.items() if backend.why_not(device, dtype, width) is None]


def choose(name: str, layout: Layout, heads: int, width: int, device: torch.device, dtype: torch.dtype) -> Choice:
    """What `DINOV2_ATTENTION` asks for.

    Args:
        name: "auto", a name in `BACKENDS`, or "measure" for the fastest on this layout. What was measured depends on
            the machine and the moment: equal runs may then differ by rounding, and processes that must agree should
            ask one of them.
        layout: how a typical batch is packed.
        heads: attention heads.
        width: channels of each head.
        device: where attention is to be computed.
        dtype: in what.

    Raises:
        ConfigError: there is no such backend, or it does not work there; says why and what is allowed.
    """
    names = available(device, dtype, width)
    if name == "measure":
        # Dense attention keeps the weights of all pairs in every block, a cost that one call does not show.
        short = max(length for _, length in layout.groups) <= DENSE_TOKENS
        candidates = [candidate for candidate in names if short or candidate != "dense"]
        seconds = measure(candidates, layout, heads, width, device, dtype)
        return Choice(min(seconds, key=seconds.__getitem__), seconds)
    if name != "auto" and name not in names:
        reason = BACKENDS[name].why_not(device, dtype, width) if name in BACKENDS else "no such backend"
        allowed = ", ".join(("auto", "measure", *names))
        raise ConfigError(f"DINOV2_ATTENTION: {name!r}: {reason}; allowed here: {allowed}")
    return Choice(name)


def measure(
    names: list[str], layout: Layout, heads: int, width: int, device: torch.device, dtype: torch.dtype
) -> dict[str, float]:
    """Median seconds of a forward and a backward pass with each backend, interleaved: noise then hits all alike.

    The random numbers are its own: a run that measures draws the same as one that does not.
    """
    generator = torch.Generator(device).manual_seed(0)
    shape = (sum(layout.sizes), 3, heads, width)
    qkv_t3hd = torch.randn(shape, generator=generator, device=device, dtype=dtype).requires_grad_()
    gradient_td = torch.ones(shape[0], heads * width, device=device, dtype=dtype)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(WARM_UPS + ROUNDS):
        for name in names:
            started = _now(device)
            with torch.enable_grad():
                torch.autograd.grad(attend(qkv_t3hd, layout, name), qkv_t3hd, gradient_td)
            seconds[name].append(_now(device) - started)
    return {name: median(values[WARM_UPS:]) for name, values in seconds.items()}


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
