"""A real photograph, and image files made of it."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinov2.data.sample.photographs import photograph
from dinov2.storage import Store


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
