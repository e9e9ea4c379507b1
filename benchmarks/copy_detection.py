"""How well a descriptor finds edited copies.

    python -m benchmarks.copy_detection DIR --descriptor hash|pdq|gist|trained|MODEL [--json]

DIR, a folder or a .tar, has the layout that `benchmarks/copy_files.py` draws. MODEL is a backbone in a safetensors file
or an official .pth, a fitted `trained` descriptor, or a copy detection network in TorchScript. `trained` is fitted to
the images of --pool, which should have none of DIR, first, unless --weights names a file fitted before; the built-in
sample, the default, is drawn and no match for a pool of photographs. With --json the last line of standard output is
one JSON object; `micro_ap` is in it.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.copy_files import CopySet, open_set
from benchmarks.copy_scores import NONE, copy_scores
from dinov2.curation.config import (
    BackboneConfig,
    DescriptorConfig,
    GistConfig,
    HashConfig,
    PdqConfig,
    SscdConfig,
    TrainedConfig,
)
from dinov2.curation.descriptors import Descriptor, create_descriptor
from dinov2.curation.descriptors.trained.files import is_trained, save_trained
from dinov2.curation.descriptors.trained.fitted import fitted
from dinov2.data.config import SourceConfig
from dinov2.data.images import decode_rgb
from dinov2.data.sources import ImageReader, open_source
from dinov2.data.stream import Row, in_batches
from dinov2.errors import ConfigError, DataError, told_in_one_line
from dinov2.progress import progress
from dinov2.storage import Store

CPU = torch.device("cpu")
BATCH = 64
NAMED: dict[str, DescriptorConfig] = {"hash": HashConfig(), "pdq": PdqConfig(), "gist": GistConfig()}


def descriptor_of(options: argparse.Namespace) -> Descriptor:
    """What the command line asks for; raises as `named_or_file` does."""
    if options.descriptor != "trained":
        return named_or_file(options.descriptor, options.resolution, also=("trained",))
    if options.weights:
        return create_descriptor(TrainedConfig(weights=str(options.weights.resolve())), Path())
    return _fitted(options)


def named_or_file(name: str, resolution: int, also: Sequence[str] = ()) -> Descriptor:
    """A descriptor that has nothing to learn.

    Args:
        name: one of `NAMED`, or a file.
        resolution: side of the images that a backbone sees.
        also: further names that the caller knows, for the error.

    Raises:
        ConfigError: there is no such descriptor.
        DataError: a file cannot be used.
    """
    if name in NAMED:
        return create_descriptor(NAMED[name], Path())
    path = Path(name).resolve()
    if not path.is_file():
        allowed = ", ".join((*NAMED, *also))
        raise ConfigError(f"--descriptor {name!r}: no such file; allowed: {allowed} or a file")
    return create_descriptor(_config_of(path, resolution), Path())


def _config_of(path: Path, resolution: int) -> DescriptorConfig:
    """The descriptor that a file is meant for."""
    if path.suffix == ".safetensors":
        if is_trained(path):
            return TrainedConfig(weights=str(path))
        return BackboneConfig(kind="backbone", weights=str(path), resolution=resolution)
    if _is_torchscript(path):
        return SscdConfig(kind="sscd", weights=str(path))
    return BackboneConfig(kind="backbone", weights=str(path), resolution=resolution)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _fitted(options: argparse.Namespace) -> Descriptor:
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(str(options.store.resolve() if options.store else scratch))
        uri = options.pool if options.pool.startswith("sample:") else str(Path(options.pool).resolve())
        source = SourceConfig(name="pool", uri=uri, role="pool")
        rows = _pool(source, store, options.threads)
        reader = ImageReader([source], store, Path())
        before = time.process_time()
        descriptor = fitted(TrainedConfig(), rows, reader, store, options.seed, options.threads, CPU)
        print(f"fitted in {time.process_time() - before:.0f} seconds of CPU time", file=sys.stderr, flush=True)
    if options.save:
        save_trained(options.save, descriptor)
    return descriptor


def _pool(config: SourceConfig, store: Store, threads: int) -> list[Row]:
    """Rows as a manifest has them, of the files that can be decoded."""
    source = open_source(config, store, Path())

    def row(uri: str) -> Row | None:
        data = source.read(uri)
        try:
            decode_rgb(data, 1)
        except DataError as error:
            print(f"{config.uri}: {uri}: {error}; left out", file=sys.stderr, flush=True)
            return None
        return {"key": uri, "source": config.name, "uri": uri, "sha256": hashlib.sha256(data).hexdigest()}

    uris = sorted(entry.uri for entry in source.entries() if not entry.fault)
    return [found for batch in in_batches(row, uris, BATCH, threads) for found in batch if found]


def embed(descriptor: Descriptor, names: list[str], copies: CopySet, what: str, threads: int) -> np.ndarray:
    """Unit vectors (B, D) of the images with these names."""

    def read(name: str) -> np.ndarray:
        try:
            return decode_rgb(copies.read(name), descriptor.shortest)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None

    parts = []
    with progress(f"embed {what}", len(names)) as shown:
        for images in in_batches(read, names, BATCH, threads):
            parts.append(descriptor.embed(images))
            shown.advance(len(images))
    return np.concatenate(parts)


def measure(copies: CopySet, descriptor: Descriptor, threads: int) -> dict[str, Any]:
    """The scores, and how long an image takes."""
    started = time.process_time()
    queries = embed(descriptor, copies.queries, copies, "queries", threads)
    database = embed(descriptor, copies.database, copies, "database", threads)
    spent = time.process_time() - started
    scores = copy_scores(queries, database, copies.pairs, copies.edits, descriptor.copies_above)
    images = len(queries) + len(database)
    return scores | {"dim": descriptor.dim, "cpu_ms_per_image": 1e3 * spent / images, "digest": descriptor.digest}


def told(found: dict[str, Any]) -> str:
    """The scores as a table for people."""
    head = f"{'edit':<16}{'queries':>8}{'recall@1':>10}{'recall':>9}{'at P=0.9':>10}"
    rows = [
        f"{edit:<16}{own['queries']:>8}{own['recall_at_1']:>10.3f}{own['recall']:>9.3f}{own['recall_at_p90']:>10.3f}"
        for edit, own in found["edits"].items()
    ]
    precision, wrong = (
        "–" if found[name] is None else f"{found[name]:.3f}" for name in ("precision", "false_positives")
    )
    every = f"{'all':<16}{'':>8}{found['recall_at_1']:>10.3f}{found['recall']:>9.3f}{found['recall_at_p90']:>10.3f}"
    last = (
        f"micro-AP {found['micro_ap']:.4f}; above a cosine of {found['threshold']:.3f}: precision {precision}, "
        f"{wrong} of the queries of edit {NONE!r} find one; {found['cpu_ms_per_image']:.1f} ms of CPU time an image"
    )
    return "\n".join([head, *rows, every, last])


def main() -> None:
    """Measure one descriptor on one set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path, metavar="DIR")
    parser.add_argument("--descriptor", required=True, help=f"{', '.join(NAMED)}, trained or a file")
    parser.add_argument(
        "--pool", default="sample:pool", metavar="DIR", help="images that `trained` learns from; default: %(default)s"
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a `trained` descriptor fitted before")
    parser.add_argument("--save", type=Path, metavar="FILE", help="where to leave the fitted descriptor")
    parser.add_argument("--store", type=Path, metavar="DIR", help="keeps fits, also interrupted ones; default: none")
    parser.add_argument("--resolution", type=int, default=224, help="side of the images that a backbone sees")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    copies = open_set(options.place)
    found = measure(copies, descriptor_of(options), options.threads)
    print(json.dumps({"descriptor": options.descriptor, **found}) if options.json else told(found))


if __name__ == "__main__":
    with told_in_one_line():
        main()
