"""Batches of views, the same ones whoever makes them: all randomness comes from the seed and the position."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from dinov2.curation.config import TrainedConfig
from dinov2.curation.descriptors.trained.views import SEEN, View, light, strong
from dinov2.data.images import Pixels
from dinov2.data.order import image_at
from dinov2.data.stream import in_batches

Read = Callable[[int], Pixels]
"""From the number of an image to (H, W, 3) uint8; called in threads."""


FIRST_STRENGTH = 0.2
"""Of the edits at the first step; they grow linearly to 1."""


@dataclass(frozen=True)
class Batch:
    """N views (N, S, S, 3) uint8 and what they are to each other, (N, N) bool each; see `loss`."""

    pixels: Pixels
    positive: Tensor
    related: Tensor


class Cache:
    """Images that were decoded once, as many as fit; which ones never changes what is read."""

    def __init__(self, read: Read, size_bytes: float) -> None:
        self._read, self._left = read, size_bytes
        self._held: dict[int, Pixels] = {}
        self._lock = Lock()

    def __call__(self, number: int) -> Pixels:
        """See `Read`."""
        held = self._held.get(number)
        if held is not None:
            return held
        image = self._read(number)
        with self._lock:
            if number not in self._held and image.nbytes <= self._left:
                self._held[number] = image
                self._left -= image.nbytes
        return image


def batches(config: TrainedConfig, read: Read, count: int, seed: int, start: int, threads: int) -> Iterator[Batch]:
    """The batches from step `start` on.

    Args:
        config: sizes.
        read: gives the images.
        count: of the images.
        seed: of the run.
        start: steps done before.
        threads: that make views.
    """
    size = config.batch_size
    positions = range(start * size, config.steps * size)
    for made in in_batches(lambda at: _views(config, read, count, seed, at), positions, size, threads, ahead=2):
        views = [view for group, _, _ in made for view in group]
        numbers = np.array([[own, partner] for group, own, partner in made for _ in group])
        shares = np.array([[view.share, view.partner_share] for view in views])
        yield Batch(np.stack([view.pixels for view in views]), *relations(numbers, shares))


def relations(numbers: np.ndarray, shares: np.ndarray) -> tuple[Tensor, Tensor]:
    """Which views are positives of each other, and which are at least no negatives.

    Args:
        numbers: (N, 2) of the two images that a view may show.
        shares: (N, 2) how much of each it shows.

    Returns:
        (N, N) bool each; positives are related, and a view is related to itself but no positive of itself.
    """
    images, columns = np.unique(numbers, return_inverse=True)
    shown = np.zeros((len(numbers), len(images)))
    np.maximum.at(shown, (np.arange(len(numbers))[:, None], columns.reshape(numbers.shape)), shares)
    seen, any_of = (shown >= SEEN).astype(np.float32), (shown > 0).astype(np.float32)
    positive, related = seen @ seen.T > 0, any_of @ any_of.T > 0
    np.fill_diagonal(positive, False)
    return torch.from_numpy(positive), torch.from_numpy(related)


def _views(config: TrainedConfig, read: Read, count: int, seed: int, position: int) -> tuple[list[View], int, int]:
    """The views of the image at a position, its number and its partner's: the image before it in its batch."""
    size, side = config.batch_size, config.resolution
    first = position // size * size
    number, _ = image_at(position, count, seed)
    partner, _ = image_at(first + (position - first - 1) % size, count, seed)
    rng = np.random.default_rng((seed, position))
    image, other = read(number), read(partner)
    strength = min(1.0, FIRST_STRENGTH + (1 - FIRST_STRENGTH) * position / (size * config.steps * config.ramp))
    views = [light(image, side, rng)] + [strong(image, other, side, rng, strength) for _ in range(config.views - 1)]
    return views, number, partner
