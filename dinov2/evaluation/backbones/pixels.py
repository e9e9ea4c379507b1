"""What a backbone must beat on pixels: the pixels of each patch."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from dinov2.data.images import normalise
from dinov2.errors import ConfigError
from dinov2.evaluation.backbones.backbone import Layer, grid, wanted

SIDE = 4
IMAGE_SIDE = 16


class PixelBackbone:
    """The mean colours of the 4 × 4 parts of each patch as its token, their mean over the image as cls; see `Backbone`.

    It has one layer, which stands for as many as are asked for.
    """

    embed_dim = 3 * SIDE**2

    def __init__(self, patch: int, device: torch.device) -> None:
        self.patch_size, self.digest, self._device = patch, f"pixels-{patch}-{SIDE}", device
        self.depth = 12

    def layers(self, images: np.ndarray, blocks: int | Sequence[int]) -> list[Layer]:
        """See `Backbone.layers`."""
        rows, columns = grid(images, self.patch_size)
        small = adaptive_avg_pool2d(normalise(images).to(self._device), (rows * SIDE, columns * SIDE))
        parts = small.unflatten(3, (columns, SIDE)).unflatten(2, (rows, SIDE))
        patches = parts.permute(0, 2, 4, 3, 5, 1).flatten(3)
        return [Layer(patches.mean((1, 2)), patches) for _ in wanted(blocks, self.depth)]

    def twin(self, _: int) -> None:
        """See `Backbone.twin`."""


class ImagePixels:
    """The pixels of an image as its cls: 16 × 16 RGB, mean-free and of unit variance; patches of width 0.

    Unit variance is what the last norm of a backbone gives, so that one range of learning rates suits both.
    """

    digest = f"pixels-{IMAGE_SIDE}"
    embed_dim, depth = 3 * IMAGE_SIDE**2, 1

    def __init__(self, patch: int, device: torch.device) -> None:
        self.patch_size, self._device = patch, device

    def layers(self, images: np.ndarray, blocks: int | Sequence[int]) -> list[Layer]:
        """See `Backbone.layers`."""
        small = [cv2.resize(image, (IMAGE_SIDE, IMAGE_SIDE), interpolation=cv2.INTER_AREA) for image in images]
        flat = np.stack(small).reshape(len(images), -1).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        flat /= flat.std(axis=1, keepdims=True) + 1e-6  # an image of one colour stays all zeros
        cls = torch.from_numpy(flat).to(self._device)
        return [Layer(cls, cls.new_zeros(len(images), 1, 1, 0)) for _ in wanted(blocks, self.depth)]

    def twin(self, _: int) -> None:
        """See `Backbone.twin`."""


def open_pixels(name: str, _: int, device: torch.device) -> PixelBackbone:
    """Pixels in patches of `name` pixels a side.

    Raises:
        ConfigError: it is no number.
    """
    if not name.isdecimal() or not int(name):
        raise ConfigError(f"model pixels:{name}; allowed: the side of a patch, such as pixels:14")
    return PixelBackbone(int(name), device)
