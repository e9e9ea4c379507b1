"""Items through a backbone, one after the other, read ahead in threads."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

import numpy as np
import torch

from dinov2.data.images import Pixels
from dinov2.data.stream import in_batches
from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.features.image import Found
from dinov2.evaluation.features.items import Item
from dinov2.evaluation.features.request import Request
from dinov2.evaluation.sets.video.frames import UndecodableError
from dinov2.progress import Progress

BATCH, DENSE_BATCH = 64, 8


def of_images(
    backbone: Backbone, request: Request, items: Iterable[Item], threads: int, shown: Progress
) -> Iterator[Found]:
    """Of each item cls (T, L, D) and mean patch (T, D) of its T frames, and whether it is broken."""
    frames = request.frames
    for images, broken in _inputs(request, items, max(1, BATCH // frames), threads):
        layers = backbone.layers(np.stack(images), request.blocks)
        cls_ntld = torch.stack([layer.cls for layer in layers], dim=1).unflatten(0, (-1, frames)).cpu().numpy()
        patch_ntd = layers[-1].patches.mean((1, 2)).unflatten(0, (-1, frames)).cpu().numpy()
        shown.advance(len(broken))  # before the last is taken, after which nobody comes back
        yield from zip(cls_ntld, patch_ntd, broken, strict=True)


def of_patches(
    backbone: Backbone, request: Request, items: Iterable[Item], threads: int, shown: Progress
) -> Iterator[Found]:
    """Of each image cls (L, D) and patches (h, w, L, D)."""
    for images, _ in _inputs(request, items, DENSE_BATCH, threads):
        shown.advance(len(images))
        for run in runs(images):
            layers = backbone.layers(run, request.blocks)
            cls_nld = torch.stack([layer.cls for layer in layers], dim=1).cpu().numpy()
            patches_nhwld = torch.stack([layer.patches for layer in layers], dim=3).cpu().numpy()
            yield from zip(cls_nld, patches_nhwld, strict=True)


def _inputs(
    request: Request, items: Iterable[Item], size: int, threads: int
) -> Iterator[tuple[list[Pixels], np.ndarray]]:
    """Inputs of `size` items at a time, and which of these are broken: their inputs are black."""
    for batch in in_batches(partial(_seen, request), items, size, threads):
        broken = np.array([not each for each in batch])
        black = [np.zeros((request.view.shortest, request.view.shortest, 3), np.uint8)] * request.frames
        yield list(chain.from_iterable(each or [request.view(x, "") for x in black] for each in batch)), broken


def _seen(request: Request, item: Item) -> list[Pixels]:
    """The inputs of an item; none when it cannot be decoded."""
    found = item.read(request.view.shortest)
    return [] if isinstance(found, UndecodableError) else [request.view(image, item.key) for image in found]


def runs(images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Images of one size that follow each other, stacked: (B, H, W, 3) each."""
    ends = [n for n in range(1, len(images)) if images[n].shape != images[n - 1].shape]
    for start, end in zip(chain([0], ends), chain(ends, [len(images)]), strict=True):
        yield np.stack(images[start:end])
