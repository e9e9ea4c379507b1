"""Self-attention as a layer."""

from torch import Tensor, nn

from dinov2.errors import ConfigError
from dinov2.models.attention.backends import BACKENDS, attend
from dinov2.models.packing import Layout


class Attention(nn.Module):
    """Self-attention with biases on all projections.

    Attributes:
        backend: how attention is computed, see `attend`. No part of the weights.
    """

    backend: str = "auto"

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x_td: Tensor, layout: Layout) -> Tensor:
        """(T, D) to (T, D)."""
        qkv_t3hd = self.qkv(x_td).unflatten(-1, (3, self.num_heads, -1))
        return self.proj(attend(qkv_t3hd, layout, self.backend))


def set_attention(model: nn.Module, backend: str) -> None:
    """Have every `Attention` in `model` use `backend`: "auto" or a name in `BACKENDS`.

    Raises:
        ConfigError: there is no such backend.
    """
    allowed = ("auto", *BACKENDS)
    if backend not in allowed:
        raise ConfigError(f"attention backend {backend!r}; allowed: {', '.join(allowed)}")
    for module in model.modules():
        if isinstance(module, Attention):
            module.backend = backend
