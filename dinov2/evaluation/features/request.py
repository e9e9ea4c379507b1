"""What features are asked for, and the parts that they are made in."""

from collections.abc import Sequence
from dataclasses import dataclass

from dinov2.evaluation.features.items import Item
from dinov2.evaluation.features.views import View

PART = 4096
"""Images in one blob of the store: what an interrupted run can lose."""
DENSE_PART = 2**23
"""Bytes of features of patches in one blob, roughly: what has to be read for one image in a random order."""


@dataclass(frozen=True)
class Request:
    """Features of some items.

    Attributes:
        what: shown beside the progress.
        items: N of them, of equally many frames.
        view: how a backbone sees them.
        blocks: numbers of the blocks whose tokens are wanted, rising from 0.
        dense: whether the token of every patch is wanted, rather than cls and the mean patch.
    """

    what: str
    items: Sequence[Item]
    view: View
    blocks: tuple[int, ...]
    dense: bool = False

    @property
    def frames(self) -> int:
        """Images of each item."""
        return self.items[0].frames if self.items else 1


def last_blocks(depth: int, most: int = 4) -> tuple[int, ...]:
    """The numbers of the last blocks, as many as there are of `most`."""
    return tuple(range(max(0, depth - most), depth))


def part_size(request: Request, patch: int, width: int) -> int:
    """Items in one blob; all processes come to the same."""
    if not request.dense:
        return max(1, PART // request.frames)
    square = (request.view.shortest // patch + 1) ** 2
    return max(1, DENSE_PART // (2 * square * width * len(request.blocks)))


def parts_of(parts: int, rank: int, world: int) -> range:
    """The numbers of the parts that one of `world` processes makes."""
    return range(rank, parts, world)
