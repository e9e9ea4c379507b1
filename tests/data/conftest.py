"""A real photograph, and image files made of it."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinov2.data.sample.photographs import photograph
from dinov2.storage import Store
from tests.data.ingesting import Numbered, fill


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """120×90 pixels of a cup of coffee: bright, dark, saturated, sharp and smooth."""
    return Image.fromarray(photograph("coffee.png")).resize((120, 90), Image.Resampling.LANCZOS)


@pytest.fixture(scope="session")
def jpeg(photo: Image.Image) -> bytes:
    """The photograph as a JPEG."""
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture(scope="session")
def numbered(photo: Image.Image) -> Callable[[int], bytes]:
    """`numbered(n)` is a JPEG unlike that of any other number."""

    def make(number: int) -> bytes:
        pixels = np.array(photo)
        pixels[:8, :8] = np.random.default_rng(number).integers(0, 256, 3)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=80)
        return file.getvalue()

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store("store", tmp_path)


@pytest.fixture
def pool(tmp_path: Path, numbered: Numbered) -> Path:
    """100 images, some of them copies, and seven files that are none."""
    files = {f"{n % 7}/{n:03}.jpg": numbered(n % 90) for n in range(100)}
    broken = {"text.jpg": b"text", "empty.png": b"", "cut.jpg": numbered(1)[:900], "notes.md": b"beside"}
    fill(tmp_path / "pool", {**files, **broken, "0/ü 写真.jpg": numbered(5), "1/cut.jpg": numbered(2)[:700]})
    return tmp_path
