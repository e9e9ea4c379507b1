"""What a backbone must beat: its own architecture with random weights, raw pixels, and the largest class."""

from typing import Any

import cv2
import numpy as np
import torch

from dinov2.evaluation.encoder import ImageFeatures
from dinov2.models import VisionTransformer

PIXEL_SIDE = 16


class PixelEncoder:
    """Raw pixels as features: 16 × 16 RGB, mean-free and of unit variance for each image.

    Unit variance is what the last norm of a backbone gives, so that one range of learning rates suits both.
    """

    digest = f"pixels-{PIXEL_SIDE}"

    def __init__(self, resolution: int) -> None:
        self.resolution = resolution

    def __call__(self, images: np.ndarray) -> ImageFeatures:
        """Features of (B, H, W, 3) uint8: cls (B, 768), and patch features of width 0."""
        small = [cv2.resize(image, (PIXEL_SIDE, PIXEL_SIDE), interpolation=cv2.INTER_AREA) for image in images]
        flat = np.stack(small).reshape(len(images), -1).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        flat /= flat.std(axis=1, keepdims=True) + 1e-6  # an image of one colour stays all zeros
        return ImageFeatures(flat, np.zeros((len(images), 0), np.float32))


def random_twin(model: VisionTransformer, seed: int) -> VisionTransformer:
    """The same architecture with random weights drawn from `seed`.

    LayerScale starts at 1: at the 1e-5 of training the blocks add nothing, the cls token does not see the image, and
    the control would be no better than chance.
    """
    architecture: dict[str, Any] = {**model.architecture(), "layerscale": 1.0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VisionTransformer(**architecture).eval()


def chance(train_labels: np.ndarray, test_labels: np.ndarray) -> float:
    """Test accuracy of always answering the largest training class, the lower one among equals."""
    return float((test_labels == np.bincount(train_labels).argmax()).mean())
