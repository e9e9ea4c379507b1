"""Every file of every source to a manifest of usable images and a list of rejects."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.examine import examine, named
from dinov2.data.manifest import REJECTS, SCHEMA
from dinov2.data.places import listing
from dinov2.data.sources import open_source
from dinov2.data.stream import in_batches
from dinov2.errors import DataError
from dinov2.progress import progress
from dinov2.storage import Store

THREADS = 16
"""More than cores: most of the time they wait for a disk or a network."""

CHUNK, AHEAD = 32, 4
"""Files in a chunk, and chunks for each thread that may be under way."""


@dataclass(frozen=True)
class Ingested:
    """The outcome: tables of type `manifest.SCHEMA` and `manifest.REJECTS`, sorted by key, and counts."""

    manifest: pa.Table
    rejects: pa.Table
    metrics: dict[str, Any]


def ingest(config: IngestConfig, store: Store, root: Path, threads: int = THREADS) -> Ingested:
    """Look at every file of every source.

    Files are read and judged by `threads` threads, a bounded number at a time; the outcome does not depend on how many
    there are, nor on the order in which a file system lists its files. Copies of the same bytes all stay in.

    Args:
        config: the sources and what counts as usable.
        store: holds the built-in sample and what is downloaded.
        root: the workspace, which relative paths start from.
        threads: how many.

    Raises:
        DataError: a source does not exist, or holds no usable image.
    """
    parts = [_ingest_source(source, config, store, root, threads) for source in config.sources]
    manifest = pa.concat_tables([images for images, _ in parts]).sort_by("key")
    rejects = pa.concat_tables([rejects for _, rejects in parts]).sort_by("key")
    return Ingested(manifest, rejects, _metrics(config, manifest, rejects))


def _ingest_source(
    source: SourceConfig, config: IngestConfig, store: Store, root: Path, threads: int
) -> tuple[pa.Table, pa.Table]:
    opened = open_source(source, store, root)
    with listing(source.name, source.uri):
        entries = named(source.name, opened.entries())
    look = partial(examine, source=source, read=opened.read, config=config)
    images, rejects = [SCHEMA.empty_table()], [REJECTS.empty_table()]
    with progress(f"ingest {source.name}", len(entries)) as shown:
        for chunk in in_batches(look, entries, CHUNK, threads, AHEAD * threads):
            images.append(pa.Table.from_pylist([row for row, _ in chunk if row], SCHEMA))
            rejects.append(pa.Table.from_pylist([reject for _, reject in chunk if reject], REJECTS))
            shown.advance(len(chunk))
    usable, refused = pa.concat_tables(images), pa.concat_tables(rejects)
    if not usable.num_rows:
        why = ", ".join(f"{count} {reason}" for reason, count in _count(refused["reason"]).items())
        raise DataError(
            f"source {source.name}: {source.uri}: no usable image; {refused.num_rows} files were seen"
            + (f", rejected as: {why}" if why else "")
        )
    return usable, refused


def _metrics(config: IngestConfig, manifest: pa.Table, rejects: pa.Table) -> dict[str, Any]:
    """Counts, over all and by source."""
    return {
        **_sums(manifest, rejects),
        "roles": _count(manifest["role"]),
        "rejects": _count(rejects["reason"]),
        "sources": {
            source.name: _sums(*(table.filter(pc.equal(table["source"], source.name)) for table in (manifest, rejects)))
            for source in config.sources
        },
    }


def _sums(manifest: pa.Table, rejects: pa.Table) -> dict[str, int]:
    splits = _count(manifest["split"])
    return {
        "images": manifest.num_rows,
        "rejected": rejects.num_rows,
        "train": splits.get("train", 0),
        "test": splits.get("test", 0),
        "labelled": manifest.num_rows - manifest["label"].null_count,
        "labels": pc.count_distinct(manifest["label"]).as_py(),
        "bytes": pc.sum(manifest["bytes"]).as_py() or 0,
    }


def _count(column: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted(Counter(column.to_pylist()).items()))
