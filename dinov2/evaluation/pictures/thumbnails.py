"""Small pictures inside the page, as data URIs."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from dinov2.data.sources import ImageReader
from dinov2.data.stream import read_image
from dinov2.progress import track

LONGEST = 128
JPEG_QUALITY = 80
SHEET_QUALITY = 84


def thumbnails(manifest: Path, keys: Iterable[str], reader: ImageReader) -> dict[str, str]:
    """JPEG data URIs of images by key, whole images with the longest side at 128 pixels.

    Args:
        manifest: the Parquet manifest that says where each key's image lies; keys it does not hold are left out.
        keys: of the images wanted.
        reader: reads them.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    columns = ["key", "source", "uri", "sha256"]
    rows = pq.read_table(manifest, columns=columns, filters=[("key", "in", wanted)]).to_pylist()
    return {row["key"]: jpeg_uri(read_image(reader, row, LONGEST)) for row in track(rows, "thumbnails", len(rows))}


def jpeg_uri(image: np.ndarray) -> str:
    """A JPEG data URI of an (H, W, 3) uint8 image with its longest side shrunk to 128 pixels."""
    scale = min(1.0, LONGEST / max(image.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _uri(Image.fromarray(small), "JPEG", quality=JPEG_QUALITY)


def sheet_uri(path: Path) -> tuple[str, tuple[int, int]]:
    """A WebP data URI of a PNG, transparency kept, a fifth of its size; and its width and height."""
    with Image.open(path) as sheet:
        return image_uri(sheet.convert("RGBA")), sheet.size


def image_uri(image: Image.Image) -> str:
    """A WebP data URI of an RGBA image."""
    return _uri(image, "WEBP", quality=SHEET_QUALITY, method=6)


def _uri(image: Image.Image, kind: str, **options: int) -> str:
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
