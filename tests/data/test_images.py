"""Every usable kind of file gives the picture that was put into it, whichever decoder is taken."""

import io
import itertools

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from dinov2.data.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    center_crop,
    decode_rgb,
    evaluation_side,
    evaluation_view,
    normalise,
    resample,
    resize_shortest,
)
from dinov2.data.inspection import inspect
from dinov2.errors import DataError

LOSSY = 6.0
"""Mean absolute error allowed for JPEG and palettes."""


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def sixteen_bits(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels.astype(np.uint16) * 257)[1].tobytes()


def without_adobe_marker(jpeg: bytes) -> bytes:
    """A CMYK JPEG without the APP14 segment that says its values are inverted."""
    start = jpeg.index(b"\xff\xee")
    length = int.from_bytes(jpeg[start + 2 : start + 4])
    return jpeg[:start] + jpeg[start + 2 + length :]


def usable(photo: Image.Image) -> dict[str, tuple[bytes, np.ndarray]]:
    """Files of many kinds and the RGB picture that each shows."""
    rgb, grey = np.array(photo), np.array(photo.convert("L"))
    in_grey = np.repeat(grey[:, :, None], 3, axis=2)
    alpha = np.linspace(0, 255, photo.width).round().astype(np.uint8)[None].repeat(photo.height, axis=0)
    share = alpha[:, :, None] / 255
    palette = photo.quantize(64)
    see_through = palette.copy()
    see_through.putpixel((0, 0), 5)
    hidden = np.array(see_through) == 5
    black = np.array(photo.convert("1"))
    return {
        "jpeg": (saved(photo, "JPEG", quality=95), rgb),
        "progressive jpeg": (saved(photo, "JPEG", quality=95, progressive=True), rgb),
        "grey jpeg": (saved(photo.convert("L"), "JPEG", quality=95), in_grey),
        "jpeg with bytes behind its end": (saved(photo, "JPEG", quality=95) + b"more" * 9, rgb),
        "cmyk jpeg of adobe": (saved(photo.convert("CMYK"), "JPEG", quality=95), rgb),
        "cmyk jpeg": (
            without_adobe_marker(saved(ImageOps.invert(photo).convert("CMYK"), "JPEG", quality=95)), 255 - rgb,
        ),
        "png": (saved(photo, "PNG"), rgb),
        "grey png": (saved(photo.convert("L"), "PNG"), in_grey),
        "16-bit grey png": (sixteen_bits(grey), in_grey),
        "16-bit colour png": (sixteen_bits(rgb[:, :, ::-1]), rgb),
        "black and white png": (saved(photo.convert("1"), "PNG"), np.repeat(black[:, :, None] * np.uint8(255), 3, 2)),
        "palette png": (saved(palette, "PNG"), np.array(palette.convert("RGB"))),
        "transparent palette png": (
            saved(see_through, "PNG", transparency=5),
            np.where(hidden[:, :, None], 255, np.array(see_through.convert("RGB"))),
        ),
        "rgba png": (
            saved(Image.fromarray(np.dstack([rgb, alpha])), "PNG"), np.round(rgb * share + 255 * (1 - share)),
        ),
        "grey and alpha png": (
            saved(Image.merge("LA", (photo.convert("L"), Image.fromarray(alpha))), "PNG"),
            np.round(in_grey * share + 255 * (1 - share)),
        ),
        "webp": (saved(photo, "WEBP", lossless=True), rgb),
        "gif": (saved(palette, "GIF"), np.array(palette.convert("RGB"))),
        "bmp": (saved(photo, "BMP"), rgb),
        "tiff": (saved(photo, "TIFF"), rgb),
        "ppm": (saved(photo, "PPM"), rgb),
    }  # fmt: skip


KINDS = (
    "jpeg", "progressive jpeg", "grey jpeg", "jpeg with bytes behind its end", "cmyk jpeg of adobe", "cmyk jpeg", "png",
    "grey png", "16-bit grey png", "16-bit colour png", "black and white png", "palette png",
    "transparent palette png", "rgba png", "grey and alpha png", "webp", "gif", "bmp", "tiff", "ppm",
)  # fmt: skip


@pytest.fixture(scope="module")
def files(photo: Image.Image) -> dict[str, tuple[bytes, np.ndarray]]:
    made = usable(photo)
    assert tuple(made) == KINDS
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_shows_its_picture_and_inspection_says_its_size(kind: str, files: dict) -> None:
    data, expected = files[kind]
    pixels = decode_rgb(data)
    assert pixels.dtype == np.uint8
    assert pixels.flags["C_CONTIGUOUS"]
    assert inspect(data, 32, 64_000_000) == (pixels.shape[1], pixels.shape[0])
    error = np.abs(pixels.astype(float) - expected)
    assert error.mean() < LOSSY if "jpeg" in kind else error.max() <= 1


@pytest.mark.parametrize(("turn", "kind"), itertools.product(range(1, 9), ("JPEG", "PNG", "WEBP")))
def test_a_turned_photograph_is_upright(turn: int, kind: str, photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = saved(photo, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {"lossless": True}))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    pixels = decode_rgb(data)
    assert inspect(data, 32, 64_000_000) == upright.size == (pixels.shape[1], pixels.shape[0])
    assert np.abs(pixels.astype(float) - np.array(upright)).mean() < 1
    assert decode_rgb(data, shortest=20).shape[0] < decode_rgb(data, shortest=20).shape[1] or turn > 4


@pytest.mark.parametrize(
    ("shortest", "height"), [(None, 90), (90, 90), (46, 90), (45, 45), (23, 23), (12, 12), (1, 12)]
)
def test_a_jpeg_is_decoded_no_smaller_than_asked(shortest: int | None, height: int, jpeg: bytes) -> None:
    pixels = decode_rgb(jpeg, shortest)
    assert pixels.shape[0] == height
    factor = round(90 / height)
    h, w = 90 // factor, 120 // factor
    blocks = decode_rgb(jpeg)[: h * factor, : w * factor].reshape(h, factor, w, factor, 3)
    assert np.abs(pixels[:h, :w] - blocks.mean(axis=(1, 3))).mean() < LOSSY


def test_a_jpeg_cut_anywhere_is_refused(jpeg: bytes) -> None:
    for cut in (0, 1, 10, 300, len(jpeg) // 2, len(jpeg) - 40):
        with pytest.raises(DataError, match=f"cannot decode an image of {cut} bytes"):
            decode_rgb(jpeg[:cut])


def test_broken_exif_does_not_matter(photo: Image.Image) -> None:
    data = saved(photo, "JPEG", exif=b"Exif\0\0" + b"\xff" * 40)
    assert decode_rgb(data).shape == (90, 120, 3)
    assert inspect(data, 32, 64_000_000) == (120, 90)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.1, 1.7, 2.0, 3.0, 4.0])
def test_resampling_gives_the_values_of_pillow(factor: float, photo: Image.Image) -> None:
    width, height = round(photo.width / factor), round(photo.height / factor)
    found = resample(np.array(photo), height, width)
    expected = photo.resize((width, height), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(found.astype(int), np.array(expected), atol=2)
    assert found.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("size", [(60, 180), (240, 45), (120, 30)])
def test_resampling_shrinks_one_way_and_magnifies_the_other(size: tuple[int, int], photo: Image.Image) -> None:
    found = resample(np.array(photo), size[1], size[0])
    error = np.abs(found - np.array(photo.resize(size, Image.Resampling.BICUBIC)).astype(float))
    assert error.mean() < 0.5  # they take the two directions in another order


def test_a_part_of_an_image_is_resampled_without_what_is_around_it(photo: Image.Image) -> None:
    image = np.array(photo)
    np.testing.assert_array_equal(resample(image[10:60, 20:90], 25, 30), resample(image[10:60, 20:90].copy(), 25, 30))
    assert resample(image[:, :1], 8, 8).shape == (8, 8, 3)


def test_resizing_keeps_the_aspect_ratio_and_the_crop_is_central() -> None:
    ramp = np.arange(60, dtype=np.uint8)[None, :, None].repeat(40, axis=0).repeat(3, axis=2)
    assert resize_shortest(ramp, 40) is ramp
    assert resize_shortest(ramp, 20).shape == (20, 30, 3)
    assert resize_shortest(ramp, 80).shape == (80, 120, 3)
    assert resize_shortest(np.zeros((7, 1000, 3), np.uint8), 14).shape == (14, 2000, 3)
    assert center_crop(ramp, 20)[0, :, 0].tolist() == list(range(20, 40))


def test_the_evaluation_shows_the_centre_of_an_image_an_eighth_larger() -> None:
    assert [evaluation_side(resolution) for resolution in (224, 98, 64)] == [256, 112, 73]
    image = np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8)
    np.testing.assert_array_equal(evaluation_view(image, 224), image[16:240, 38:262])
    assert evaluation_view(image, 98).shape == (98, 98, 3)


def test_normalisation_is_that_of_imagenet() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3), dtype=np.uint8)
    expected = (images.astype(np.float64) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    found = normalise(images)
    assert found.is_contiguous()
    np.testing.assert_allclose(found.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)
