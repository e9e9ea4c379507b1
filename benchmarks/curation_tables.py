"""The steps of `benchmarks.curation_rates` that go over tables and stored vectors of any number of items."""

import hashlib
import os
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.curation_steps import Stopwatch
from benchmarks.rate import Rate
from dinov2.curation.components import DisjointSets
from dinov2.curation.deduplicate.outcome import KEPT, decide
from dinov2.curation.descriptors.hash import HashDescriptor
from dinov2.curation.embed import Embedder
from dinov2.curation.shards import write_shard
from dinov2.curation.spool import spool
from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.ingest import ingest
from dinov2.data.manifest import SCHEMA
from dinov2.data.sources import ImageReader
from dinov2.data.tables import database, stream, write_stream
from dinov2.storage import Store

SHARD = 4096
SIDE = 8
"""Of an image, in pixels: little to read, so that what is timed is the table."""
BLOCK = 1 << 20
THREADS = len(os.sched_getaffinity(0))
MEMORY_GIB = 2.0

MANIFEST = f"""
SELECT format('pool/{{:012d}}', range) AS key, format('{{:012d}}', range) AS uri, sha256(range::VARCHAR) AS sha256,
    {SIDE} AS width, {SIDE} AS height, 200 AS bytes, 'pool' AS source, 'pool' AS role, 'train' AS split, NULL AS label
FROM range(?) ORDER BY key
"""
# One image in ten is a copy of the one before it, and none is held out.
GRAPH = """
CREATE TABLE image AS SELECT sha256, row_number() OVER (ORDER BY sha256) - 1 AS row FROM manifest;
CREATE TABLE component AS SELECT row, CASE row % 10 WHEN 1 THEN row - 1 ELSE row END AS component FROM image;
CREATE TABLE held_image (sha256 VARCHAR, row BIGINT);
CREATE TABLE leak (row BIGINT, shows BIGINT, similarity FLOAT);
"""


def listed(items: int, folder: Path) -> Rate:
    """Ingest of files that were looked at before."""
    _write_archive(folder / "pool.tar", items)
    source, store = SourceConfig(name="pool", uri=str(folder / "pool.tar"), role="pool"), Store(str(folder / "store"))
    config, ours, bare = IngestConfig(sources=(source,), min_side=SIDE, memory_gib=MEMORY_GIB), Stopwatch(), Stopwatch()
    places = folder / "manifest.parquet", folder / "rejects.parquet"
    ingest(config, store, folder, folder, *places)
    with ours.running():
        ingest(config, store, folder, folder, *places)
    with bare.running(), tarfile.open(folder / "pool.tar") as archive:
        assert sum(1 for _ in archive) == items
    return Rate("list", items, ours, "tarfile lists", bare)


def checked(items: int, folder: Path) -> Rate:
    """Embed of images that all have their vectors."""
    store, manifest = _embedded(items, folder)
    ours, bare = Stopwatch(), Stopwatch()
    with bare.running():
        for path in folder.rglob("*.npy"):
            hashlib.sha256(path.read_bytes()).hexdigest()
    with ours.running():
        Embedder(ImageReader([], store, folder), store, folder, SHARD, THREADS, MEMORY_GIB)(
            manifest, [HashDescriptor()]
        )
    return Rate("check", items, ours, "SHA-256 of the vectors' files", bare)


def gathered(items: int, folder: Path) -> Rate:
    """Vectors from their shards into one file."""
    store, manifest = _embedded(items, folder)
    ours, bare = Stopwatch(), Stopwatch()
    with bare.running(), (folder / "bare").open("wb") as file:
        for path in sorted(folder.rglob("*.npy")):
            np.load(path).tofile(file)
    with ours.running():
        descriptor = HashDescriptor()
        spool(descriptor.digest, descriptor.dim, manifest, store, folder, memory_gib=MEMORY_GIB, threads=THREADS)
    return Rate("gather", items, ours, "numpy copies the shards", bare)


def decided(items: int, folder: Path) -> Rate:
    """Who of all images stays, once components are known."""
    manifest, ours, bare = _manifest(items, folder), Stopwatch(), Stopwatch()
    with database(folder, MEMORY_GIB, THREADS) as connection:
        connection.read_parquet(str(manifest)).create_view("manifest")
        connection.execute(GRAPH)
        with ours.running():
            decide(connection)
            write_stream(folder / "unique.parquet", stream(connection, KEPT), SCHEMA)
        with bare.running():
            connection.sql("SELECT * FROM manifest ORDER BY sha256").write_parquet(str(folder / "bare"))
    return Rate("decide", items, ours, "DuckDB sorts the manifest into a file", bare)


def joined(items: int, folder: Path) -> Rate:
    """Components of as many items as random pairs of them, the pointers in a file."""
    folder.mkdir(parents=True)
    left, right = np.random.default_rng(0).integers(0, items, (2, items))
    ours, bare = Stopwatch(), Stopwatch()
    with bare.running():
        graph = coo_array((np.ones(items, bool), (left, right)), shape=(items, items))
        number = connected_components(graph, directed=False)[0]
    with ours.running():
        sets, roots = DisjointSets(items, folder / "parents"), 0
        for start in range(0, items, BLOCK):
            sets.join(left[start : start + BLOCK], right[start : start + BLOCK])
        for start in range(0, items, BLOCK):
            stop = min(start + BLOCK, items)
            roots += int((sets.roots(start, stop) == np.arange(start, stop)).sum())
    assert roots == number
    return Rate("components", items, ours, "scipy, all pairs at once in memory", bare)


def _write_archive(path: Path, items: int) -> None:
    path.parent.mkdir(parents=True)
    random = np.random.default_rng(0)
    with tarfile.open(path, "w:") as archive:
        for number in range(items):
            pixels = random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            data = cv2.imencode(".png", pixels)[1].tobytes()
            info = tarfile.TarInfo(f"{number:012}.png")
            info.size = len(data)
            archive.addfile(info, BytesIO(data))


def _manifest(items: int, folder: Path) -> Path:
    folder.mkdir(parents=True)
    with database(folder, MEMORY_GIB, THREADS) as connection:
        write_stream(folder / "manifest.parquet", stream(connection, MANIFEST, [items]), SCHEMA)
    return folder / "manifest.parquet"


def _embedded(items: int, folder: Path) -> tuple[Store, Path]:
    """A store that holds a vector of every image of a manifest."""
    manifest, store, descriptor = _manifest(items, folder), Store(str(folder / "store")), HashDescriptor()
    vectors = np.random.default_rng(0).standard_normal((SHARD, descriptor.dim), np.float32)
    sha256s = sorted(pq.read_table(manifest, columns=["sha256"])["sha256"].to_pylist())
    for start in range(0, items, SHARD):
        images = sha256s[start : start + SHARD]
        write_shard(store, descriptor.digest, images, vectors[: len(images)])
    return store, manifest


TABLES: dict[str, Callable[[int, Path], Rate]] = {
    "list": listed,
    "check": checked,
    "gather": gathered,
    "decide": decided,
    "components": joined,
}
"""By name; each in a folder of its own, which it makes."""
