"""Features, computed once for each backbone, view and image, and kept in the store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Literal

import numpy as np
from safetensors.numpy import load, save

from dinov2.data.stream import in_batches
from dinov2.errors import DataError
from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.features.dense import StoredDense, dense_blob
from dinov2.evaluation.features.encode import of_images, of_patches
from dinov2.evaluation.features.image import Blob, ImageFeatures, blob_of, joined
from dinov2.evaluation.features.items import Item
from dinov2.evaluation.features.request import Request, part_size, parts_of
from dinov2.evaluation.features.views import View
from dinov2.progress import progress
from dinov2.storage import Store, digest

VERSION = 2
"""Raised whenever the same images give other features."""
NAMED_AT_ONCE, NAMED_SILENTLY = 64, 10_000

Precision = Literal["fp32", "fp16"]
Part = tuple[str, Sequence[Item]]
"""The name of a part in the store, and its items."""
TYPES: dict[Precision, np.dtype] = {"fp32": np.dtype(np.float32), "fp16": np.dtype(np.float16)}


@dataclass(frozen=True)
class Extractor:
    """Reads images, shows them to a backbone, and keeps the features in the store.

    The store holds features/<digest>.safetensors, each part with its checksum beside it, named by backbone, view,
    blocks, type and the bytes of the images: an interrupted run goes on after the last whole part, the same images are
    not encoded twice, and a damaged part is made again.

    Attributes:
        store: where features are kept.
        threads: that read and decode.
        images_as: type of features of images.
        dense_as: type of features of patches.
    """

    store: Store
    threads: int
    images_as: Precision = "fp32"
    dense_as: Precision = "fp16"

    def images(self, backbone: Backbone, request: Request) -> ImageFeatures:
        """Features of images or clips, in the order of the request.

        Raises:
            DataError: an image cannot be read, or is not what the manifest says.
        """
        return joined(self._blobs(backbone, request), len(request.items), request.frames)

    def dense(self, backbone: Backbone, request: Request) -> StoredDense:
        """Features of patches, all of them in the store.

        Raises:
            DataError: an image cannot be read.
        """
        parts = self._parts(backbone, request)
        self._fill(backbone, request, parts)
        size = part_size(request, backbone.patch_size, backbone.embed_dim)
        return StoredDense(
            lambda number: self._read(backbone, request, parts[number]),
            size, len(request.items), len(request.blocks), backbone.embed_dim,
        )  # fmt: skip

    def fill(self, backbone: Backbone, requests: Sequence[Request], rank: int, world: int) -> None:
        """Make what one of `world` processes has to: its share of the parts of each request."""
        for request in requests:
            parts = self._parts(backbone, request)
            self._fill(backbone, request, [parts[number] for number in parts_of(len(parts), rank, world)])

    def _blobs(self, backbone: Backbone, request: Request) -> Iterator[Blob]:
        """One part after the other, from the store or made."""
        parts = self._parts(backbone, request)
        missing = self._missing(parts)
        made, new = self._make(backbone, request, missing), {name for name, _ in missing}
        for part in parts:
            yield next(made) if part[0] in new else self._read(backbone, request, part)

    def _fill(self, backbone: Backbone, request: Request, parts: Sequence[Part]) -> None:
        for _ in self._make(backbone, request, self._missing(parts)):
            pass

    def _missing(self, parts: Sequence[Part]) -> list[Part]:
        return [part for part in parts if not self.store.exists(f"{part[0]}.sha256")]

    def _parts(self, backbone: Backbone, request: Request) -> list[Part]:
        """The parts of a request.

        Raises:
            DataError: there is no item, or one cannot be read.
        """
        if not request.items:
            raise DataError(f"{request.what}: no image")
        dtype = self.dense_as if request.dense else self.images_as
        size, blocks = part_size(request, backbone.patch_size, backbone.embed_dim), list(request.blocks)
        silent = len(request.items) <= NAMED_SILENTLY
        with progress(f"checksums, {request.what}", len(request.items), silent=silent) as shown:
            digests: list[str] = []
            for batch in in_batches(partial(_named, request.view), request.items, NAMED_AT_ONCE, self.threads):
                digests += batch
                shown.advance(len(batch))
        kind = [VERSION, backbone.digest, request.view.digest, blocks, dtype, "dense" if request.dense else "image"]
        stretches = [slice(start, start + size) for start in range(0, len(digests), size)]
        return [(f"features/{digest(*kind, digests[own])}.safetensors", request.items[own]) for own in stretches]

    def _read(self, backbone: Backbone, request: Request, part: Part) -> Blob:
        """A part from the store; made again if it is damaged there."""
        data = self.store.read_checked(part[0])
        return next(self._make(backbone, request, [part])) if data is None else load(data)

    def _make(self, backbone: Backbone, request: Request, parts: Sequence[Part]) -> Iterator[Blob]:
        """Features of one part after the other, each of which is in the store then.

        Images are read ahead over the ends of parts, whose size is a matter of how they are read back.
        """
        missing = sum(len(items) for _, items in parts)
        with progress(
            f"features, {request.what}", len(request.items), done=len(request.items) - missing, silent=not missing
        ) as shown:
            items = chain.from_iterable(items for _, items in parts)
            found = (of_patches if request.dense else of_images)(backbone, request, items, self.threads, shown)
            for name, part in parts:
                own = islice(found, len(part))
                blob = dense_blob(own, TYPES[self.dense_as]) if request.dense else blob_of(own, TYPES[self.images_as])
                self.store.write_checked(name, save(blob))
                yield blob


def _named(view: View, item: Item) -> str:
    """All that the input of an item depends on besides the view."""
    return f"{item.digest()} {item.key}" if view.draws else item.digest()
