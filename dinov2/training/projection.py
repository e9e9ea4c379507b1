"""Logits that are never whole: unit vectors and prototypes, multiplied a chunk of rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import linear

CHUNK = 2**25
"""Logits that are computed at once: 128 MiB in fp32."""


@dataclass(frozen=True)
class Projection:
    """What a head says of n tokens.

    Attributes:
        features: unit vectors (n, bottleneck).
        prototypes: (K, bottleneck).
    """

    features: Tensor
    prototypes: Tensor

    def __len__(self) -> int:
        return len(self.features)

    def chunks(self, unit: int = 1) -> Iterator[slice]:
        """Slices of rows whose logits fit into memory together, each a multiple of `unit` rows long."""
        return chunks(len(self), len(self.prototypes), unit)

    def logits(self, rows: slice) -> Tensor:
        """(rows, K) in fp32."""
        return linear(self.features[rows], self.prototypes).float()

    def each(self) -> Iterator[Tensor]:
        """All logits, a chunk of rows after the other."""
        return (self.logits(rows) for rows in self.chunks())


def chunks(count: int, width: int, unit: int = 1) -> Iterator[slice]:
    """Slices of `count` rows with about `CHUNK` numbers in all when each row has `width`."""
    step = max(1, CHUNK // (width * unit)) * unit
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
