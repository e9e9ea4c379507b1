"""Training batches that are a function of (seed, step) alone: no state to save, any number of workers or ranks."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import pyarrow as pa
import torch
from numpy.random import default_rng
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dinov2.data.augment import CropsConfig, multi_crop
from dinov2.data.masks import MaskConfig, batch_masks
from dinov2.data.order import image_at
from dinov2.data.sources import ImageReader
from dinov2.data.stream import read_image
from dinov2.errors import UnreachableError, UserError

PREFETCH = 4
LINGER_S = 5.0
"""How long a loading process goes on after SIGTERM."""


@dataclass(frozen=True)
class Batch:
    """A part of a step, crops of one kind together: all first global crops, then all second.

    Attributes:
        globals: (2 B, G, G, 3) uint8.
        locals: (L B, l, l, 3) uint8.
        masks: (2 B, N) bool.
        images: numbers of the B images in the manifest.
    """

    globals: Tensor
    locals: Tensor
    masks: Tensor
    images: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        return Batch(*(part.to(device, non_blocking=True) for part in vars(self).values()))

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory; the loader calls it in a thread of its own."""
        return Batch(*(part.pin_memory() for part in vars(self).values()))


class CropBatches(Dataset[Batch]):
    """Item `step * parts + part` is what this process takes through the networks at once in a step.

    Args:
        manifest: training images; its columns key, source, uri and sha256 are used.
        reader: fetches an image's bytes.
        crops: augmentation.
        masks: masking of global crops.
        patch_size: side of a patch in pixels.
        batch_size: images of a step over all ranks.
        seed: of the run.
        rank: of this process.
        world: number of processes.
        parts: that this process takes its share of a step in; `world * parts` divides `batch_size`.
    """

    def __init__(
        self, manifest: pa.Table, reader: ImageReader, crops: CropsConfig, masks: MaskConfig,
        patch_size: int, batch_size: int, seed: int, rank: int = 0, world: int = 1, parts: int = 1,
    ) -> None:  # fmt: skip
        self.manifest = manifest.select(["key", "source", "uri", "sha256"]).combine_chunks()
        self.reader, self.crops, self.masks, self.seed = reader, crops, masks, seed
        self.side = crops.global_size // patch_size
        self.batch_size, self.size, self.parts = batch_size, batch_size // world // parts, parts
        self.first = rank * parts * self.size

    def __getitem__(self, number: int) -> Batch:
        step, part = divmod(number, self.parts)
        first = self.first + part * self.size
        images, global_crops, local_crops = [], [], []
        for position in range(step * self.batch_size + first, step * self.batch_size + first + self.size):
            image, epoch = image_at(position, len(self.manifest), self.seed)
            row = self.manifest.slice(image, 1).to_pylist()[0]
            pixels = read_image(self.reader, row, self.crops.shortest)
            pair, local = multi_crop(pixels, self.crops, default_rng((self.seed, epoch, image)))
            images.append(image)
            global_crops.append(pair)
            local_crops.append(local)
        return Batch(
            globals=torch.from_numpy(_by_crop(global_crops)),
            locals=torch.from_numpy(_by_crop(local_crops)),
            masks=torch.from_numpy(self._masks(step, first)),
            images=torch.tensor(images),
        )

    def _masks(self, step: int, first: int) -> np.ndarray:
        """Masks of the images from `first` on: those of their first crops, then those of their second."""
        parts = [slice(start, start + self.size) for start in (first, self.batch_size + first)]
        return np.concatenate(
            [batch_masks(self.masks, 2 * self.batch_size, self.side, (self.seed, step), part) for part in parts]
        )


def _by_crop(crops: list[np.ndarray]) -> np.ndarray:
    """B arrays of (crops, s, s, 3) as (crops * B, s, s, 3), crop by crop."""
    stacked = np.stack(crops, axis=1)
    return stacked.reshape(-1, *stacked.shape[2:])


def batches(dataset: CropBatches, start: int, stop: int, workers: int, pin: bool) -> Iterator[Batch]:
    """The items from `start` to `stop`, made ahead of time by `workers` processes (0: in this one)."""
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        prefetch_factor=PREFETCH if workers else None,
        worker_init_fn=_settle,
        pin_memory=pin,
    )
    try:
        yield from loader
    except (UserError, UnreachableError) as error:  # a worker's comes wrapped in its traceback
        kind = type(error)
        text = str(error).strip().splitlines()[-1]
        raise kind(text.removeprefix(f"{kind.__module__}.{kind.__qualname__}: ")) from None


def _settle(_: int) -> None:
    cv2.setNumThreads(0)
    # Whoever stops a run tells all its processes; the trainer still needs its loaders to finish the step and save.
    signal.signal(signal.SIGTERM, lambda *_: threading.Timer(LINGER_S, os._exit, (0,)).start())
