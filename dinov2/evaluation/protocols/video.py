"""Clips as vectors, from the features of their frames; the linear probe then classifies them (DINOv2, section 7.2)."""

from typing import Literal

import numpy as np

from dinov2.errors import DataError

Pooling = Literal["mean", "concatenation"]


def pooled(frames_mld: np.ndarray, frames: int, pooling: Pooling) -> np.ndarray:
    """Features of clips, (N, L, D) or (N, L, frames · D).

    Args:
        frames_mld: (N · frames, L, D), a clip's in order and beside each other.
        frames: of each clip.
        pooling: "mean" as published for UCF101 and Kinetics, whose classes show in one frame, or "concatenation", as
            for Something-Something, where their order is what tells.

    Raises:
        DataError: a clip lacks frames.
    """
    if not len(frames_mld) or len(frames_mld) % frames:
        raise DataError(f"video: features of {len(frames_mld)} frames; each clip has {frames}")
    count, layers = len(frames_mld) // frames, frames_mld.shape[1]
    frames_ntld = frames_mld.reshape(count, frames, *frames_mld.shape[1:])
    if pooling == "mean":
        return frames_ntld.mean(axis=1)
    return frames_ntld.transpose(0, 2, 1, 3).reshape(count, layers, -1)
