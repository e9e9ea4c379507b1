"""The steps of `benchmarks.curation_rates` that read photographs, in one thread."""

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import torch
from PIL import Image

from benchmarks.curation_steps import Stopwatch
from benchmarks.rate import Rate
from dinov2.curation.config import BackboneConfig, TrainedConfig
from dinov2.curation.descriptors import Descriptor
from dinov2.curation.descriptors.backbone import BackboneDescriptor
from dinov2.curation.descriptors.gist import GistDescriptor
from dinov2.curation.descriptors.hash import HashDescriptor
from dinov2.curation.descriptors.pdq import PdqDescriptor
from dinov2.curation.descriptors.trained.descriptor import TrainedDescriptor
from dinov2.curation.descriptors.trained.network import CopyNetwork
from dinov2.curation.embed import Embedder
from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.filters import FilterConfig
from dinov2.data.filters.blank import BlankConfig
from dinov2.data.filters.perceptual import PerceptualConfig
from dinov2.data.ingest import ingest
from dinov2.data.pack import Packer
from dinov2.data.pack.config import PackConfig
from dinov2.data.sources import ImageReader
from dinov2.data.tables import database
from dinov2.models import create_model, save_backbone
from dinov2.storage import Store

DECODED = "Pillow decodes, hashlib takes SHA-256"
ARCHIVED = "tarfile adds, hashlib takes SHA-256"
CPU = torch.device("cpu")
FILTERS: tuple[FilterConfig, ...] = (BlankConfig(kind="blank"), PerceptualConfig(kind="perceptual"))


def image_rates(images: Path, folder: Path) -> Iterator[Rate]:
    """Rates of looking at the usable files of the folder `images`, describing and packing them.

    Args:
        images: is read.
        folder: for files on their way.
    """
    source, store = SourceConfig(name="pool", uri=str(images), role="pool"), Store(str(folder / "store"))
    reader, manifest = ImageReader([source], store, folder), folder / "manifest.parquet"
    look = partial(_looked, source, store, folder)
    looked = look((), manifest)
    files = [images / uri for uri in pq.read_table(manifest, columns=["uri"])["uri"].to_pylist()]
    bare = _decoded(files)
    yield Rate("look", len(files), looked, DECODED, bare)
    yield Rate("look, filters", len(files), look(FILTERS, folder / "filtered.parquet"), DECODED, bare)
    for step, descriptor in _descriptors(folder):
        watch = Stopwatch()
        with watch.running():
            Embedder(reader, store, folder, 4096, 1)(manifest, [descriptor])
        yield Rate(step, len(files), watch, DECODED, bare)
    yield _packed(reader, store, manifest, folder, files)


def _looked(
    source: SourceConfig, store: Store, folder: Path, filters: tuple[FilterConfig, ...], manifest: Path
) -> Stopwatch:
    watch, config = Stopwatch(), IngestConfig(sources=(source,), filters=filters)
    with watch.running():
        ingest(config, store, folder, folder, manifest, folder / "rejects.parquet", threads=1)
    return watch


def _descriptors(folder: Path) -> Iterator[tuple[str, Descriptor]]:
    """Each kind, learnt or not: untrained weights take as long as trained ones."""
    yield "pdq", PdqDescriptor()
    yield "hash", HashDescriptor()
    yield "gist", GistDescriptor()
    config, weights = TrainedConfig(), folder / "vit_small.safetensors"
    whitening = torch.zeros(config.dim), torch.eye(config.dim)
    yield "trained", TrainedDescriptor(config, CopyNetwork(config), *whitening, digest="untrained")
    save_backbone(weights, create_model("vit_small"))
    yield "ViT-S/14, 224", BackboneDescriptor(BackboneConfig(kind="backbone", weights=str(weights)), folder, CPU)


def _decoded(files: Sequence[Path]) -> Stopwatch:
    watch = Stopwatch()
    with watch.running():
        for path in files:
            data = path.read_bytes()
            hashlib.sha256(data).hexdigest()
            Image.open(io.BytesIO(data)).convert("RGB")
    return watch


def _packed(reader: ImageReader, store: Store, manifest: Path, folder: Path, files: Sequence[Path]) -> Rate:
    ours, bare = Stopwatch(), Stopwatch()
    with bare.running():
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:") as archive:
            for path in files:
                archive.add(path)
        hashlib.sha256(buffer.getbuffer()).hexdigest()
        (folder / "bare.tar").write_bytes(buffer.getbuffer())
    packer = Packer(reader, store, PackConfig(), 1)
    with database(folder, 1, 1) as connection, ours.running():
        packer.plan(connection, manifest)
        packer.write(connection)
    return Rate("pack", len(files), ours, ARCHIVED, bare)
