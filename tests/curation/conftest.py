"""Pictures with the statistics of photographs, made from a seed, and pools of them on disk."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.curation.keep import Keep
from dinov2.curation.vectors import Held
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.config import SourceConfig
from dinov2.data.manifest import SCHEMA
from dinov2.data.sources import ImageReader
from dinov2.data.tables import database
from dinov2.storage import Store


def _picture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    falling = 1 / np.maximum(frequency, 1 / max(height, width))
    planes = [np.fft.ifft2(np.fft.fft2(random.standard_normal((height, width))) * falling).real for _ in range(3)]
    # Colours of photographs are strongly correlated.
    mixed = np.stack(planes, axis=-1) * 0.3 + planes[0][..., None]
    return np.clip(128 + 45 * (mixed - mixed.mean()) / mixed.std(), 0, 255).astype(np.uint8)


def _row(name: str, data: bytes, source: str, role: str) -> dict[str, object]:
    height, width = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2]
    split, sha256 = "test" if role == "evaluation" else "train", hashlib.sha256(data).hexdigest()
    place = {"key": f"{source}/{name}", "uri": name, "source": source, "role": role, "split": split, "label": None}
    return place | {"sha256": sha256, "width": width, "height": height, "bytes": len(data)}


@dataclass(frozen=True)
class Pool:
    """Images on disk under `folder`, the sources "pool" and "more", and their manifest."""

    folder: Path
    manifest: pa.Table
    reader: ImageReader
    store: Store


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    """`picture(seed, height, width)`: (height, width, 3) uint8 with the 1/f spectrum of photographs."""
    return _picture


@pytest.fixture
def make_pool(tmp_path: Path) -> Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Pool]:
    """`make_pool(pictures, more)`: a pool of them, in two sources, with a new store."""

    def make(pictures: Sequence[np.ndarray], more: Sequence[np.ndarray] = ()) -> Pool:
        rows = []
        for source, images in (("pool", pictures), ("more", more)):
            (tmp_path / source).mkdir()
            for number, image in enumerate(images):
                data = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
                (tmp_path / source / f"{number:03}.jpg").write_bytes(data)
                rows.append(_row(f"{number:03}.jpg", data, source, "pool"))
        store = Store(str(tmp_path / "store"))
        sources = [SourceConfig(name=name, uri=name, role="pool") for name in ("pool", "more")]
        manifest = pa.Table.from_pylist(rows, schema=SCHEMA).sort_by("key")
        return Pool(tmp_path, manifest, ImageReader(sources, store, tmp_path), store)

    return make


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """Somewhere to do a step of curation, with a new store."""
    with database(tmp_path / "scratch", 1, 1) as connection:
        yield Workplace(tmp_path / "scratch", Keep(Store(str(tmp_path / "kept")), "test"), connection)


@pytest.fixture
def described(tmp_path: Path) -> Callable[[Sequence[str], np.ndarray], Described]:
    """`described(sha256s, vectors)`: images in order of sha256 with the (N, D) vectors of them."""

    def make(sha256s: Sequence[str], vectors: np.ndarray) -> Described:
        order = sorted(range(len(sha256s)), key=sha256s.__getitem__)
        columns = {"sha256": pa.array([sha256s[n] for n in order], pa.string()), "row": np.arange(len(order))}
        images = tmp_path / f"images-{len(list(tmp_path.glob('images-*')))}.parquet"
        pq.write_table(pa.table(columns), images)
        return Described(Held(vectors[order].reshape(len(order), vectors.shape[1])), images, images.stem)

    return make
