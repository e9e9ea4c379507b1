"""Ingesting a folder of images, for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.ingest import ingest
from dinov2.data.manifest import read_manifest
from dinov2.storage import Store

Numbered = Callable[[int], bytes]


class Ingested(NamedTuple):
    """What an ingest wrote and gave."""

    manifest: pa.Table
    rejects: pa.Table
    metrics: dict[str, Any]


def take_in(
    root: Path, *more: SourceConfig, pool: str = "pool", threads: int = 3, store: str = "store", **options: Any
) -> Ingested:
    """Ingest the folder `pool` of `root`, and `more` sources."""
    config = IngestConfig(sources=(SourceConfig(name="web", uri=pool, role="pool"), *more), **options)
    manifest, rejects = root / "manifest.parquet", root / "rejects.parquet"
    metrics = ingest(config, Store(store, root), root, root / "scratch", manifest, rejects, threads)
    return Ingested(read_manifest(manifest), pq.read_table(rejects), metrics)


def fill(folder: Path, files: dict[str, bytes]) -> None:
    """Write files by their names."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
