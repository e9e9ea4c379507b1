"""The trained network as a descriptor: windows and mirror images of a picture, their mean, whitened."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from dinov2.curation.config import TrainedConfig
from dinov2.curation.descriptors.protocol import unit
from dinov2.curation.descriptors.trained.fit import one_thread_each
from dinov2.curation.descriptors.trained.network import CopyNetwork
from dinov2.data.images import Pixels, normalise

VERSION = 1
WINDOWS = ((1.0, 1), (0.7, 2), (0.5, 3))
"""Side of a window as a share of the image's, and places for it along an axis."""
VIEWS = 2 * sum(places**2 for _, places in WINDOWS)
"""Of an image: every window and its mirror image."""


class TrainedDescriptor:
    """The likeness of any window of one image to any window of another, mirrored or not; see `fitted`.

    Each image is computed alone and in one thread: its vector is the same bits in any company and on any number of
    threads of one kind of machine. On another device the last bits differ.

    Args:
        config: sizes.
        network: trained, with that config.
        mean: (D,) of the pool's vectors.
        matrix: (D, D) that whitens them.
        digest: names what all this was made of.
        device: where to compute.
        threads: that compute at once; as many as torch would take when None.
    """

    # Precision on edited copies of photographs it never saw: 0.99 and 0.98; docs/curation.md.
    copies_above = 0.525
    leaks_above = 0.45

    def __init__(
        self,
        config: TrainedConfig,
        network: CopyNetwork,
        mean: Tensor,
        matrix: Tensor,
        digest: str,
        device: torch.device | None = None,
        threads: int | None = None,
    ) -> None:
        self.config, self.digest, self.dim = config, digest, config.dim
        self.shortest = 2 * config.resolution
        self.mean, self.matrix = mean, matrix
        self._device, self.threads = device or torch.device("cpu"), threads or torch.get_num_threads()
        self.network = network.to(self._device).eval()
        self._blas = ThreadpoolController()

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (B, D) float32; see `Descriptor`."""
        pooled = pooled_vectors(self.network, images, self.config.resolution, self._device, self.threads)
        mean, matrix = self.mean.numpy(), self.matrix.numpy()
        with self._blas.limit(limits=1, user_api="blas"):
            # A product of matrices may sum in another order when there are more rows.
            return unit(np.stack([(vector - mean) @ matrix for vector in pooled]))


def pooled_vectors(
    network: CopyNetwork, images: Sequence[np.ndarray], side: int, device: torch.device, threads: int
) -> np.ndarray:
    """Means (B, D) float32 over the unit vectors of each image's views, before they are whitened."""

    @torch.inference_mode()
    def one(image: np.ndarray) -> np.ndarray:
        return network(normalise(_views(image, side)).to(device)).mean(dim=0).cpu().numpy()

    with one_thread_each(threads) as executor:
        return np.stack(list(executor.map(one, images)))


def _views(image: Pixels, side: int) -> Pixels:
    """(VIEWS, S, S, 3) of (H, W, 3): the windows, each squeezed to a square, then their mirror images."""
    windows = []
    for share, places in WINDOWS:
        height, width = (max(1, round(share * length)) for length in image.shape[:2])
        for top in np.linspace(0, image.shape[0] - height, places).round().astype(int):
            for left in np.linspace(0, image.shape[1] - width, places).round().astype(int):
                window = image[top : top + height, left : left + width]
                windows.append(cv2.resize(window, (side, side), interpolation=cv2.INTER_AREA))
    upright = np.stack(windows)
    return np.concatenate([upright, upright[:, :, ::-1]])
