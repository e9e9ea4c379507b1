"""What classical descriptors look at: how strong edges of each orientation are at each pixel."""

import cv2
import numpy as np

ORIENTATIONS = 8


def oriented_edges(light: np.ndarray) -> np.ndarray:
    """(ORIENTATIONS, H, W) float32 strength of the edges of a plane (H, W) float32, shared between two orientations."""
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    strength = np.sqrt(across**2 + down**2)
    angle = np.arctan2(down, across) % np.float32(np.pi) * np.float32(ORIENTATIONS / np.pi)
    lower = np.floor(angle).astype(np.int64)
    share = angle - lower
    planes = np.zeros((ORIENTATIONS, *light.shape), np.float32)
    y, x = np.indices(light.shape)
    planes[lower % ORIENTATIONS, y, x] += strength * (1 - share)
    planes[(lower + 1) % ORIENTATIONS, y, x] += strength * share
    return planes


def scaled(vectors: np.ndarray, floor: float) -> np.ndarray:
    """(..., D) scaled to about length 1; what is much shorter than `floor` stays short: noise is not blown up."""
    return vectors / (np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True)) + np.float32(floor))
