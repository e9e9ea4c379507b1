"""Features of images: the cls token of several layers, and the mean patch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Blob = dict[str, np.ndarray]
"""Tensors as a blob of the store holds them."""
Found = tuple[np.ndarray, ...]
"""Features of one item."""


@dataclass(frozen=True)
class ImageFeatures:
    """Features of N images; of clips the frames, those of one beside each other and in order.

    Attributes:
        cls_nld: (N, L, D) of L layers, the last one last.
        patch_nd: (N, D) mean of the patches of the last layer; of width 0 where a backbone has none.
        broken: (items,) bool: clips that could not be decoded, whose features say nothing.
    """

    cls_nld: np.ndarray
    patch_nd: np.ndarray
    broken: np.ndarray

    @property
    def last_nd(self) -> np.ndarray:
        """(N, D) cls of the last layer."""
        return self.cls_nld[:, -1]


def blob_of(found: Iterable[Found], dtype: np.dtype) -> Blob:
    """Features of items as one blob: cls (T, L, D) and mean patch (T, D) of each, and whether it is broken."""
    cls, patch, broken = zip(*found, strict=True)
    kinds = {"cls": np.concatenate(cls).astype(dtype), "patch": np.concatenate(patch).astype(dtype)}
    return kinds | {"broken": np.array(broken, dtype=np.uint8)}


def joined(blobs: Iterable[Blob], items: int, frames: int) -> ImageFeatures:
    """The parts of `items` items as one; memory is that of the features and of two parts."""
    whole: Blob = {}
    done = 0
    for blob in blobs:
        count = len(blob["broken"])
        for kind, part in blob.items():
            each = 1 if kind == "broken" else frames
            if kind not in whole:
                whole[kind] = np.empty((items * each, *part.shape[1:]), part.dtype)
            whole[kind][done * each : (done + count) * each] = part
        done += count
    assert done == items, "parts are those of all items"
    return ImageFeatures(whole["cls"], whole["patch"], whole["broken"].astype(bool))
