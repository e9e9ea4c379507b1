"""Small sets on disk for tests."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow


def image(path: Path, height: int = 12, width: int = 16, seed: int = 0) -> Path:
    """A photograph of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def mask(path: Path, values: np.ndarray, palette: bool = False) -> Path:
    """A mask of 8 or 16 bits, or of indices into a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = Pillow.fromarray(values)
    if palette:
        stored.putpalette([(7 * i) % 256 for i in range(768)])
        assert stored.mode == "P"
    stored.save(path)
    return path


def text(path: Path, *lines: str) -> Path:
    """A text of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def clip(path: Path, frames: int, side: int = 32) -> Path:
    """A video whose frame i is a grey of 6 i."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (side, side))
    for number in range(frames):
        writer.write(np.full((side, side, 3), 6 * number, np.uint8))
    writer.release()
    return path
