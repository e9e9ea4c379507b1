"""Logits that are never whole: unit vectors and prototypes, multiplied a chunk of prototypes at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import linear

CHUNK = {"cpu": 2**20, "cuda": 2**26}
"""Logits that are computed at once: they should stay in a CPU's cache, and keep a GPU busy."""
KEPT = {"cpu": 2**27, "cuda": 0}
"""Logits that are worth keeping once they are computed: a GPU makes them again as fast as it could read them."""


@dataclass(frozen=True)
class Projection:
    """What a head says of n tokens.

    Attributes:
        features: unit vectors (n, bottleneck).
        prototypes: (K, bottleneck).
        whole: all logits (K, n), if they are kept; transposed, so that those of a chunk lie together.
    """

    features: Tensor
    prototypes: Tensor
    whole: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    def chunks(self) -> Iterator[slice]:
        """Slices of prototypes, for each of which the logits of all tokens fit into memory."""
        return chunks(len(self), len(self.prototypes), self.features.device)

    def logits(self, columns: slice) -> Tensor:
        """(n, columns), in the type of the features; not to be written to."""
        return linear(self.features, self.prototypes[columns]) if self.whole is None else self.whole[columns].T

    @torch.no_grad()
    def kept(self) -> "Projection":
        """The same with all logits computed once and for all, where that is worth their memory; without gradient."""
        if self.whole is not None or len(self) * len(self.prototypes) > KEPT[self.features.device.type]:
            return self
        return replace(self, whole=linear(self.prototypes, self.features))

    def split(self, counts: list[int]) -> list["Projection"]:
        """Parts of so many tokens."""
        wholes = [None] * len(counts) if self.whole is None else self.whole.split(counts, dim=1)
        parts = zip(self.features.split(counts), wholes, strict=True)
        return [Projection(features, self.prototypes, whole) for features, whole in parts]


def chunks(rows: int, columns: int, device: torch.device) -> Iterator[slice]:
    """Slices of `columns`, so that `rows` of each are about `CHUNK` numbers."""
    step = max(1, CHUNK[device.type] // max(1, rows))
    return (slice(start, min(start + step, columns)) for start in range(0, columns, step))


def scores(logits: Tensor, scale: float, offset: Tensor) -> Tensor:
    """logits * scale + offset in fp32, whatever the type of the logits."""
    return torch.add(offset, logits, alpha=scale)


@torch.no_grad()
def log_partition(projection: Projection, scale: float, columns: Tensor | None = None) -> Tensor:
    """Logarithm of the sum over prototypes of exp(logits * scale + columns), (n, 1) in fp32.

    Args:
        projection: of n tokens.
        scale: 1 / temperature.
        columns: (K,), added for each prototype; None adds nothing.
    """
    features = projection.features
    if columns is None:
        columns = features.new_zeros(len(projection.prototypes), dtype=torch.float32)
    total_n1 = features.new_full((len(features), 1), -torch.inf, dtype=torch.float32)
    for part in projection.chunks():
        own = torch.logsumexp(scores(projection.logits(part), scale, columns[part]), dim=1, keepdim=True)
        total_n1 = torch.logaddexp(total_n1, own)
    return total_n1
