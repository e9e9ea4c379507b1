"""Files that cannot be trained on are named for what is wrong with them, without harm."""

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinov2.data.inspection import RejectedError, inspect

MAX_PIXELS = 64_000_000


def why(data: bytes, min_side: int = 32, max_pixels: int = MAX_PIXELS) -> tuple[str, str]:
    with pytest.raises(RejectedError) as caught:
        inspect(data, min_side, max_pixels)
    return caught.value.reason, caught.value.detail


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_of_zeros(side: int) -> bytes:
    """A valid black-and-white PNG; 20000×20000 pixels take 50 kB here and 400 MB as 8-bit grey."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + side // 8) * side))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_an_empty_file() -> None:
    assert why(b"") == ("empty", "0 bytes")


@pytest.mark.parametrize("data", [b"this is no picture\n", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(2000)])
def test_no_image_at_all(data: bytes) -> None:
    reason, detail = why(data)
    assert reason == "unreadable"
    assert "0x" not in detail, "an address would differ from run to run"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
def test_a_file_whose_end_is_missing(kind: str, share: float, photo: Image.Image) -> None:
    whole = saved(photo, kind)
    reason, _ = why(whole[: int(len(whole) * share)])
    assert reason in (("unreadable", "truncated") if kind in ("TIFF", "GIF") else ("truncated",))


def test_a_jpeg_is_found_truncated_wherever_it_is_cut(photo: Image.Image) -> None:
    whole = saved(photo, "JPEG", quality=95)
    scan = whole.rindex(b"\xff\xda")
    assert {why(whole[:cut])[0] for cut in range(scan + 20, len(whole) - 4, 97)} == {"truncated"}


def test_a_png_with_damaged_pixels(photo: Image.Image) -> None:
    data = bytearray(saved(photo, "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert why(bytes(data))[0] in ("unreadable", "truncated")


@pytest.mark.parametrize("side", [8001, 10_000, 20_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    data = png_of_zeros(side)
    start = time.perf_counter()
    assert why(data)[0] == "decompression bomb"
    assert time.perf_counter() - start < 0.1, "it was decoded"


def test_the_bound_on_pixels_is_the_one_given(photo: Image.Image) -> None:
    data = saved(photo, "PNG")
    assert inspect(data, 32, 120 * 90) == (120, 90)
    assert why(data, max_pixels=120 * 90 - 1) == ("decompression bomb", "declares 120×90 pixels, allowed are 10799")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_moving_pictures(kind: str, photo: Image.Image) -> None:
    data = saved(photo, kind, save_all=True, append_images=[photo.rotate(180), photo.rotate(90)])
    assert why(data) == ("animated", "3 frames")


def test_a_photograph_of_a_telephone_with_a_preview_behind_it_is_used(photo: Image.Image) -> None:
    data = saved(photo, "MPO", save_all=True, append_images=[photo.resize((60, 45))])
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert inspect(data, 32, MAX_PIXELS) == (120, 90)


def test_a_picture_that_is_too_small(photo: Image.Image) -> None:
    data = saved(photo, "JPEG")
    assert inspect(data, 90, MAX_PIXELS) == (120, 90)
    assert why(data, min_side=91) == ("too small", "120×90 pixels, at least 91 a side are needed")


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_without_a_known_range(kind: type) -> None:
    image = Image.fromarray(np.arange(64 * 64, dtype=kind).reshape(64, 64))
    assert why(saved(image, "TIFF"))[0] == "wrong mode"


def test_postscript_is_not_handed_to_a_program(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "drawing.eps")
    assert why((tmp_path / "drawing.eps").read_bytes())[0] == "unreadable"
