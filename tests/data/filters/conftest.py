"""Ingest with filters, and pictures to filter."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.filters import create_filters
from dinov2.data.filters.protocol import Filter
from dinov2.data.ingest import ingest
from dinov2.data.sample.photographs import photograph
from dinov2.storage import Store


class Outcome(NamedTuple):
    """Rows of the manifest and details of what was left out, by key, and the counts of the filters."""

    rows: dict[str, dict[str, Any]]
    rejects: dict[str, tuple[str, str]]
    filters: dict[str, dict[str, int]]


@pytest.fixture
def take_in(tmp_path: Path) -> Callable[..., Outcome]:
    """`take_in(files, filter, ..., held=..., curated=...)`: ingests files by name as the pool `web`, as the
    evaluation set `held` and as the curated source `xyz`.
    """

    def run(
        files: dict[str, bytes],
        *filters: dict[str, Any],
        held: dict[str, bytes] | None = None,
        curated: dict[str, bytes] | None = None,
    ) -> Outcome:
        sources = [SourceConfig(name="web", uri="pool", role="pool")]
        sources += [SourceConfig(name="held", uri="held", role="evaluation")] if held else []
        sources += [SourceConfig(name="xyz", uri="curated", role="curated")] if curated else []
        for folder, each in (("pool", files), ("held", held or {}), ("curated", curated or {})):
            for name, data in each.items():
                (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / folder / name).write_bytes(data)
        config = IngestConfig.model_validate({"sources": sources, "filters": filters})
        manifest, rejects = tmp_path / "m.parquet", tmp_path / "r.parquet"
        metrics = ingest(config, Store("store", tmp_path), tmp_path, tmp_path / "scratch", manifest, rejects, 2)
        return Outcome(
            {row["key"]: row for row in pq.read_table(manifest).to_pylist()},
            {row["key"]: (row["reason"], row["detail"]) for row in pq.read_table(rejects).to_pylist()},
            metrics["filters"],
        )

    return run


@pytest.fixture
def create(tmp_path: Path) -> Callable[..., Filter]:
    """`create(kind=..., ...)`: the filter of these parameters, in the workspace `tmp_path`."""

    def make(**config: Any) -> Filter:
        parsed = IngestConfig.model_validate(
            {"sources": [{"name": "web", "uri": "pool", "role": "pool"}], "filters": [config]}
        )
        return create_filters(parsed.filters, tmp_path, Store("store", tmp_path))[config["kind"]]

    return make


def encoded(pixels: np.ndarray, kind: str = "JPEG", **options: Any) -> bytes:
    """An (H, W, 3) picture as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """(height, width, 3) by area averages."""
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Three real photographs, (240, 320, 3)."""
    names = ("coffee.png", "chelsea.png", "rocket.jpg")
    return {name.split(".")[0]: resized(photograph(name), 320, 240) for name in names}
