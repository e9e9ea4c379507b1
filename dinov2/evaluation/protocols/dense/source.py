"""Features of patches of many images, more than memory may hold."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dinov2.errors import DataError

Truths = Callable[[int], np.ndarray]
"""The (H, W) truth of an image by its number, at the size of its file."""


Watcher = Callable[[int, np.ndarray], None]
"""Is given the number of each test image and what is predicted for it, (H, W), for whoever makes pictures."""

REMEMBERED = 2**28
"""Bytes of truth that are kept in memory rather than decoded again in each round."""


def remembered(truths: Truths) -> Truths:
    """The same, those that are asked for first kept as long as there is room; nothing may write to them."""
    kept: dict[int, np.ndarray] = {}
    room = [REMEMBERED]

    def truth(number: int) -> np.ndarray:
        if number in kept:
            return kept[number]
        found = truths(number)
        if found.nbytes <= room[0]:
            room[0] -= found.nbytes
            kept[number] = found
        return found

    return truth


@dataclass(frozen=True)
class DenseBatch:
    """Features of B images whose grids of patches are equal, fp16 or fp32.

    Attributes:
        index: (B,) numbers of the images.
        patches: (B, h, w, L, D) of L layers, the last one last.
        cls: (B, L, D).
    """

    index: np.ndarray
    patches: np.ndarray
    cls: np.ndarray


class DenseSource(Protocol):
    """Features of `count` images, of `layers` layers of `width`."""

    @property
    def count(self) -> int:
        """See above."""

    @property
    def layers(self) -> int:
        """See above."""

    @property
    def width(self) -> int:
        """See above."""

    def batches(self, order: np.ndarray, size: int) -> Iterator[DenseBatch]:
        """The images of these numbers, in this order.

        Args:
            order: (M,) numbers, which may repeat.
            size: images in a batch; one is smaller at the end, and where the next image has another grid.
        """


@dataclass(frozen=True)
class View:
    """Features of the same images seen in one way: at some scale, mirrored or not."""

    source: DenseSource
    flipped: bool = False


@dataclass(frozen=True)
class ArraySource:
    """Features in arrays, of which memory maps are read as they are needed.

    Attributes:
        patches: (N, h, w, L, D).
        cls: (N, L, D).

    Raises:
        DataError: the two are not of the same images and layers.
    """

    patches: np.ndarray
    cls: np.ndarray

    def __post_init__(self) -> None:
        found, expected = self.cls.shape, (self.patches.shape[0], *self.patches.shape[3:])
        if self.patches.ndim != 5 or found != expected:
            raise DataError(f"features of patches {self.patches.shape} and of cls {found} are not of the same images")

    @property
    def count(self) -> int:
        """N."""
        return len(self.patches)

    @property
    def layers(self) -> int:
        """L."""
        return self.patches.shape[3]

    @property
    def width(self) -> int:
        """D."""
        return self.patches.shape[4]

    def batches(self, order: np.ndarray, size: int) -> Iterator[DenseBatch]:
        """See `DenseSource.batches`."""
        for start in range(0, len(order), size):
            index = order[start : start + size]
            yield DenseBatch(index, self.patches[index], self.cls[index])


def tensor(features: np.ndarray, index: np.ndarray, device: torch.device) -> Tensor:
    """Features of the images `index` in float32.

    Raises:
        DataError: one is not finite.
    """
    found = torch.from_numpy(np.ascontiguousarray(features)).to(device).float()
    if not found.sum().isfinite():  # one pass: what is not finite makes the sum so
        numbers = ", ".join(map(str, index[:5].tolist()))
        raise DataError(f"features of images {numbers} or their like are not finite: the model or its store is broken")
    return found


def shuffled(source: DenseSource, among: np.ndarray, size: int, seed: int) -> Iterator[DenseBatch]:
    """Batches of the images `among` without end: all of them once, shuffled, then again in another order."""
    generator = np.random.default_rng(seed)
    while True:
        yield from source.batches(generator.permutation(among), size)


def set_rates(optimiser: torch.optim.Optimizer, rates: Sequence[float], share: float) -> None:
    """Give each group of parameters its learning rate, as a share of the highest."""
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate * share


def seen_together(views: Sequence[View]) -> Iterator[tuple[int, list[tuple[DenseBatch, bool]]]]:
    """For each image in order its number and the features of every view, with whether it is mirrored.

    Raises:
        DataError: there is no view, or they are not of the same number of images.
    """
    counts = sorted({view.source.count for view in views})
    if len(counts) != 1:
        raise DataError(f"views of {', '.join(map(str, counts)) or 'no'} images; they are of the same images")
    order = np.arange(counts[0])
    streams = [view.source.batches(order, 1) for view in views]
    for number, batches in zip(order.tolist(), zip(*streams, strict=True), strict=True):
        yield number, [(batch, view.flipped) for batch, view in zip(batches, views, strict=True)]


def held_out(count: int, share: float, seed: int) -> np.ndarray:
    """(count,) bool: the training images that choose a learning rate: at least one, never all where there are two."""
    held = np.zeros(count, dtype=bool)
    chosen = min(max(1, round(share * count)), count - 1)
    held[np.random.default_rng(seed).permutation(count)[:chosen]] = True
    return held
