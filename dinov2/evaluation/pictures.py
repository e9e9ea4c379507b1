"""The sheet of PCA pictures: photographs, the model's patch features, and those of random weights."""

import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pyarrow as pa
import torch
from PIL import Image, ImageDraw, ImageFont

from dinov2.data.images import center_crop, normalise, resize_shortest
from dinov2.data.sources import ImageReader
from dinov2.data.stream import Row, read_image
from dinov2.evaluation.datasets import LabelledSet
from dinov2.evaluation.galleries import spread
from dinov2.evaluation.pca import colours
from dinov2.models import VisionTransformer
from dinov2.progress import track

TILE = 176
GAP = 8
CAPTION = 38
INK = (128, 128, 128, 255)
"""Legible on white and on black: the sheet itself is transparent."""


def pictured(sets: Sequence[LabelledSet], manifest: pa.Table, count: int) -> list[Row]:
    """`count` images spread evenly over the test images of the first set, by class; with no set, over all images.

    One set only: a basis shared by alike images says most.
    """
    if not sets:
        return manifest.take(spread(len(manifest), count)).to_pylist()
    rows = sorted(sets[0].test, key=lambda row: (row["label"], row["key"]))
    return [rows[place] for place in spread(len(rows), count)]


def photographs(reader: ImageReader, rows: Sequence[Row], resolution: int) -> np.ndarray:
    """(N, resolution, resolution, 3) uint8: the centre of each image, as large as fits."""
    images = (resize_shortest(read_image(reader, row, resolution), resolution) for row in rows)
    return np.stack([center_crop(image, resolution) for image in images])


@torch.inference_mode()
def patch_features(model: VisionTransformer, images: np.ndarray, device: torch.device, description: str) -> np.ndarray:
    """(N, H, W, D) fp32 patch tokens of (N, side, side, 3) uint8 images, one image at a time: they are large."""
    side = images.shape[1] // model.patch_size
    model = model.to(device)
    found = [
        model.forward_features(normalise(image[None]).to(device)).patches.unflatten(1, (side, side)).cpu().numpy()
        for image in track(images, f"pictures, {description}", len(images))
    ]
    return np.concatenate(found)


def sheet(images: np.ndarray, features: Mapping[str, np.ndarray]) -> bytes:
    """One PNG: a captioned row of photographs, and one for each of `features`, by caption, in a basis of its own.

    Args:
        images: (N, S, S, 3) uint8.
        features: captions to (N, H, W, D) patch tokens.
    """
    small = np.stack([cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA) for image in images])
    rows = {"photographs": small} | {caption: colours(each, TILE) for caption, each in features.items()}
    size = (len(images) * (TILE + GAP) - GAP, len(rows) * (CAPTION + TILE))
    canvas = Image.new("RGBA", size, (0, 0, 0, 0))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(22)
    for number, (caption, tiles) in enumerate(rows.items()):
        top = number * (CAPTION + TILE)
        draw.text((0, top + CAPTION - 9), caption, fill=INK, font=font, anchor="ls")
        for column, tile in enumerate(tiles):
            canvas.paste(Image.fromarray(tile), (column * (TILE + GAP), top + CAPTION))
    with io.BytesIO() as file:
        canvas.save(file, "PNG", optimize=True)
        return file.getvalue()
