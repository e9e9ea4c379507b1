"""A small world of real image files: two classes that a glance tells apart, and a manifest of them."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch

from dinov2.data.config import SourceConfig
from dinov2.data.manifest import SCHEMA
from dinov2.data.sources import ImageReader
from dinov2.models import create_model
from dinov2.storage import Store

CLASSES = ("bright", "dark")


def picture(label: str, number: int) -> np.ndarray:
    """(40, 48, 3) uint8: a disc on a ground, bright on dark or dark on bright, with noise and a place of its own."""
    generator = np.random.default_rng([number, CLASSES.index(label)])
    ground, disc = (60, 190) if label == "bright" else (190, 60)
    image = np.full((40, 48, 3), ground, np.uint8)
    centre = tuple(int(value) for value in generator.integers(15, 26, 2))
    cv2.circle(image, centre, 11, (disc, disc, disc // 2), -1)
    return np.clip(image + generator.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def row_of(path: Path, root: Path, split: str, label: str | None) -> dict:
    uri = path.relative_to(root / "shapes").as_posix()
    data = path.read_bytes()
    return {
        "key": f"shapes/{uri}",
        "uri": uri,
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": 48,
        "height": 40,
        "bytes": len(data),
        "source": "shapes",
        "role": "evaluation" if split == "test" else "curated",
        "split": split,
        "label": label,
    }


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Small tensors: threads would cost more than they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """A workspace with a folder `shapes` of 2 × 24 images."""
    root = tmp_path_factory.mktemp("shapes")
    for label in CLASSES:
        (root / "shapes" / label).mkdir(parents=True)
        for number in range(24):
            cv2.imwrite(str(root / "shapes" / label / f"{number:02}.png"), picture(label, number))
    return root


@pytest.fixture(scope="session")
def manifest(shapes) -> pa.Table:
    """The images of `shapes`, every third a test image."""
    rows = [
        row_of(path, shapes, "test" if number % 3 == 0 else "train", label)
        for label in CLASSES
        for number, path in enumerate(sorted((shapes / "shapes" / label).glob("*.png")))
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["key"]), schema=SCHEMA)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def reader(shapes, store) -> ImageReader:
    return ImageReader([SourceConfig(name="shapes", uri="shapes", role="curated")], store, shapes)


@pytest.fixture(scope="session")
def backbone():
    """A vision transformer of two blocks with patches of 8, randomly initialised."""
    torch.manual_seed(1)
    return create_model("vit_tiny", img_size=32, patch_size=8, depth=2, layerscale=1.0).eval()
