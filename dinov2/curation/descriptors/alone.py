"""Networks that describe an image by the same bits, whatever images are described along with it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from dinov2.data.images import Pixels, normalise

FIXED = 64
"""Images that go through a network at once on a GPU."""


class Alone:
    """A network, called so that what it says of an image depends on that image alone, to the last bit.

    The order in which a product is summed depends on its shape and on the threads that share it. On a CPU each image
    therefore goes through by itself, in one thread, and as many images side by side as there are threads: batches of
    one size are no faster there. On a GPU images go in batches of one size, those that lack being zeros.

    Args:
        network: (B, 3, H, W) float32 normalised images to (B, D); it is on `device`, in evaluation mode.
        device: what it computes on.
        size: images that go through at once; 1 on a CPU and 64 elsewhere if none is given. Views of several sizes need
            1 anywhere: which of them could share a batch would be up to the others.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], device: torch.device, size: int | None = None) -> None:
        self._network, self._device, self._threads = network, device, torch.get_num_threads()
        self._size = size or (1 if device.type == "cpu" else FIXED)

    def __call__(self, views: Sequence[Pixels]) -> np.ndarray:
        """(B, D) float32 of B views (H, W, 3) uint8 RGB, of one size unless they go through one at a time."""
        parts = [views[start : start + self._size] for start in range(0, len(views), self._size)]
        if self._device.type != "cpu":
            return np.concatenate([self._padded(part) for part in parts])
        # Each thread that calls torch starts threads of its own unless it says otherwise.
        with ThreadPoolExecutor(self._threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return np.concatenate(list(pool.map(self._padded, parts)))

    def _padded(self, views: Sequence[Pixels]) -> np.ndarray:
        batch = np.zeros((self._size, *views[0].shape), np.uint8)
        batch[: len(views)] = np.stack(views)
        return self._run(batch)[: len(views)]

    @torch.inference_mode()
    def _run(self, views: Pixels) -> np.ndarray:
        return self._network(normalise(torch.from_numpy(views).to(self._device))).float().cpu().numpy()
