"""Features of patches, read from the store a few parts at a time."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dinov2.evaluation.features.image import Blob, Found
from dinov2.evaluation.protocols.dense import DenseBatch, DenseSource

ROOM = 2**31
"""Bytes of parts that are kept in memory."""


class StoredDense:
    """Features of patches in parts, of which the last that were read stay in memory; see `DenseSource`.

    Images in a random order that do not fit there are read again and again, a part at a time: fast disks are needed.

    Args:
        read: gives a part by its number: `cls` (n, L, D), and patches (h, w, L, D) of image k of it as "k".
        size: images in each part but the last.
        count: images in all.
        layers: L.
        width: D.
    """

    def __init__(self, read: Callable[[int], Blob], size: int, count: int, layers: int, width: int) -> None:
        self._read, self._size = read, size
        self.count, self.layers, self.width = count, layers, width
        self._kept: OrderedDict[int, Blob] = OrderedDict()
        self._bytes = 0

    def batches(self, order: np.ndarray, size: int) -> Iterator[DenseBatch]:
        """See `DenseSource.batches`."""
        numbers: list[int] = []
        patches: list[np.ndarray] = []
        cls: list[np.ndarray] = []
        for number in order.tolist():
            part, place = self._part(number // self._size), number % self._size
            own = part[str(place)]
            if numbers and (len(numbers) == size or own.shape != patches[0].shape):
                yield DenseBatch(np.array(numbers), np.stack(patches), np.stack(cls))
                numbers, patches, cls = [], [], []
            numbers.append(number)
            patches.append(own)
            cls.append(part["cls"][place])
        if numbers:
            yield DenseBatch(np.array(numbers), np.stack(patches), np.stack(cls))

    def _part(self, number: int) -> Blob:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        part = self._read(number)
        self._kept[number] = part
        self._bytes += _bytes(part)
        while self._bytes > ROOM and len(self._kept) > 1:
            self._bytes -= _bytes(self._kept.popitem(last=False)[1])
        return part


@dataclass(frozen=True)
class SomeLayers:
    """Some of the layers of a source; see `DenseSource`.

    Attributes:
        source: which has more.
        chosen: their numbers among those of the source; negative ones count from the last.
    """

    source: DenseSource
    chosen: tuple[int, ...]

    @property
    def count(self) -> int:
        """See `DenseSource`."""
        return self.source.count

    @property
    def layers(self) -> int:
        """See `DenseSource`."""
        return len(self.chosen)

    @property
    def width(self) -> int:
        """See `DenseSource`."""
        return self.source.width

    def batches(self, order: np.ndarray, size: int) -> Iterator[DenseBatch]:
        """See `DenseSource.batches`."""
        wanted = list(self.chosen)
        for batch in self.source.batches(order, size):
            yield DenseBatch(batch.index, batch.patches[:, :, :, wanted], batch.cls[:, wanted])


def dense_blob(found: Iterable[Found], dtype: np.dtype) -> Blob:
    """Features of images of any sizes as one blob: cls (L, D) and patches (h, w, L, D) of each."""
    cls, patches = zip(*found, strict=True)
    return {str(number): each.astype(dtype) for number, each in enumerate(patches)} | {
        "cls": np.stack(cls).astype(dtype)
    }


def _bytes(part: Blob) -> int:
    return sum(each.nbytes for each in part.values())
