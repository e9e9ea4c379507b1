"""Bytes of an image file to RGB pixels, and the views that models take."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import interpolate

from dinov2.errors import DataError

Pixels = NDArray[np.uint8]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
"""Formats that are decoded in this process; Pillow hands others, such as EPS, to programs of the system."""

Image.init()  # Image.open registers only the commonest formats by itself.

FAULTS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, NotImplementedError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow's parsers raise on broken files."""

END_OF_IMAGE, START_OF_SCAN = b"\xff\xd9", b"\xff\xda"
REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}

UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}
"""EXIF orientations to how the stored (H, W, 3) pixels are brought upright."""


def open_image(data: bytes) -> Image.Image:
    """The image with only its header read.

    Raises:
        one of `FAULTS`: it is no image of `FORMATS`, or declares so many pixels that it must be a decompression bomb.
    """
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnidentifiedImageError(f"none of {', '.join(FORMATS)}") from None


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8. Photographs with broken EXIF are common and are taken as they are: 1."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except FAULTS:
        return 1
    return value if value in UPRIGHT else 1


def decode_rgb(data: bytes, shortest: int | None = None) -> Pixels:
    """Decode an image file to RGB, upright.

    CMYK is converted, 16 bits are scaled to 8, palettes are looked up and what is transparent lies on white.

    Args:
        data: the file's bytes.
        shortest: where less than the full resolution will do, a JPEG is decoded at a half, a quarter or an eighth as
            long as its shortest side keeps this many pixels.

    Returns:
        (H, W, 3) uint8, contiguous.

    Raises:
        DataError: the bytes are not a whole image.
    """
    try:
        image = open_image(data)
        turn = UPRIGHT.get(orientation(image))
        pixels = _decode_jpeg(data, image.size, shortest) if _is_plain_jpeg(data, image) else _to_rgb(image)
    except FAULTS as error:
        raise DataError(f"cannot decode an image of {len(data)} bytes: {error}") from None
    return np.ascontiguousarray(turn(pixels)) if turn else pixels


def _is_plain_jpeg(data: bytes, image: Image.Image) -> bool:
    """Whether OpenCV decodes it right: it has no CMYK conversion, and fills what is missing of a truncated file."""
    end = data.rfind(END_OF_IMAGE)
    whole = end >= 0 and data.find(START_OF_SCAN, end) < 0
    return image.format == "JPEG" and image.mode in ("L", "RGB") and whole


def jpeg_reduction(width: int, height: int, shortest: int | None) -> int:
    """What both sides of a JPEG are divided by when it is decoded for `shortest`; see `decode_rgb`."""
    fits = (n for n in REDUCED if shortest and -(-min(width, height) // n) >= shortest)
    return next(fits, 1)


def _decode_jpeg(data: bytes, size: tuple[int, int], shortest: int | None) -> Pixels:
    flags = REDUCED.get(jpeg_reduction(*size, shortest), cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise OSError("not a JPEG that OpenCV reads")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)


def rgb_of(image: Image.Image, shortest: int) -> Pixels:
    """(H, W, 3) uint8: what `decode_rgb` gives of an image that Pillow has decoded.

    One of more than twice `shortest` pixels on its shortest side is shrunk to that many.
    """
    pixels = _to_rgb(image)
    if min(pixels.shape[:2]) > 2 * shortest:
        pixels = resize_shortest(pixels, shortest)
    turn = UPRIGHT.get(orientation(image))
    return np.ascontiguousarray(turn(pixels)) if turn else pixels


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return np.array(image.convert("RGB"))


def resample(image: Pixels, height: int, width: int) -> Pixels:
    """Resize (H, W, 3) to (height, width, 3): bicubic, the kernel widened when shrinking, so that nothing aliases.

    Pillow's values within 2 in a fifth of its time. Area averages take longer and are off by 1 to 2 on average.
    """
    x_bchw = torch.from_numpy(image).unsqueeze(0).permute(0, 3, 1, 2)
    return interpolate(x_bchw, (height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()


def resize_shortest(image: Pixels, side: int) -> Pixels:
    """Resize (H, W, 3) so that the shortest side has `side` pixels, keeping the aspect ratio."""
    height, width = image.shape[:2]
    scale = side / min(height, width)
    if scale == 1:
        return image
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def center_crop(image: Pixels, size: int) -> Pixels:
    """The middle (size, size, 3) of an image that is at least as large."""
    height, width = image.shape[:2]
    assert min(height, width) >= size, f"cannot crop {size} pixels from {width}×{height}"
    top, left = (height - size) // 2, (width - size) // 2
    return image[top : top + size, left : left + size]


def evaluation_side(resolution: int) -> int:
    """What the shortest side is brought to before a centre of `resolution` is cut: 256 for 224, as is usual."""
    return round(resolution * 256 / 224)


def evaluation_view(image: Pixels, resolution: int) -> Pixels:
    """(resolution, resolution, 3): what models are shown of an (H, W, 3) image when they are evaluated and served."""
    return center_crop(resize_shortest(image, evaluation_side(resolution)), resolution)


def normalise(images: Pixels | Tensor) -> Tensor:
    """8-bit images (B, H, W, 3) to what models take: (B, 3, H, W) float32 with ImageNet's mean and deviation.

    Tensors stay on their device.
    """
    x = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    scale = [torch.tensor(constants, device=x.device).mul(255) for constants in (IMAGENET_MEAN, IMAGENET_STD)]
    mean, std = (constants.view(3, 1, 1) for constants in scale)
    return x.permute(0, 3, 1, 2).float().sub_(mean).div_(std).contiguous()
