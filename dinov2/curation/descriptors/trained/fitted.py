"""The descriptor of a pool: from the store, or fitted to the pool and kept there."""

import hashlib
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from dinov2.curation.config import TrainedConfig
from dinov2.curation.descriptors.trained.batches import Cache, Read, batches
from dinov2.curation.descriptors.trained.descriptor import VERSION, TrainedDescriptor, pooled_vectors
from dinov2.curation.descriptors.trained.files import fetched, load_trained, put, save_trained
from dinov2.curation.descriptors.trained.fit import PREPARED, Fit, one_thread_each
from dinov2.curation.descriptors.trained.network import CopyNetwork
from dinov2.curation.descriptors.trained.whitening import whitening
from dinov2.data.order import image_at
from dinov2.data.sources import ImageReader
from dinov2.data.stream import Row, in_batches, read_image
from dinov2.errors import DataError
from dinov2.models.weights import load_tensors, save_tensors
from dinov2.progress import progress
from dinov2.storage import Store, digest

CHECKPOINT_EVERY_S = 60.0
WHITENED = 1024
"""Images of the pool that the whitening is measured on, at most."""
BLOCK = 64


def fitted(
    config: TrainedConfig,
    rows: Sequence[Row],
    reader: ImageReader,
    store: Store,
    seed: int,
    threads: int,
    device: torch.device,
) -> TrainedDescriptor:
    """The descriptor that learns from these images: read from the store if it is there, else fitted and kept.

        descriptors/DIGEST.safetensors       the fitted descriptor
        descriptors/DIGEST.fit.safetensors   a checkpoint, while it learns

    On a CPU the same images, in any order, and the same seed give the same bits on any number of threads, interrupted
    or not.

    Args:
        config: what to fit; its `weights` must be None.
        rows: the images, each with `key`, `source`, `uri` and `sha256`; of equal bytes only one counts. No more are
            used than a run sees, steps x batch size, the first in order of `sha256`.
        reader: fetches their bytes.
        store: where the outcome is kept.
        seed: of all randomness.
        threads: that read and compute.
        device: where to compute.

    Raises:
        DataError: there are fewer than two different images, or one cannot be read.
    """
    distinct, name = _distinct(config, rows), fitted_name(config, rows, seed)
    blob = f"descriptors/{name}.safetensors"
    with fetched(store, blob) as path:
        if path:
            return load_trained(path, device, threads, name)
    shortest = 2 * config.resolution
    read = Cache(lambda number: read_image(reader, distinct[number][1], shortest), config.cache_gib * 2**30)
    checkpoint = f"descriptors/{name}.fit.safetensors"
    network = train(config, read, len(distinct), seed, threads, device, store, checkpoint).network.eval()
    mean, matrix = _whitening(network, config, read, len(distinct), seed, threads, device)
    descriptor = TrainedDescriptor(config, network, mean, matrix, name, device, threads)
    put(store, blob, partial(save_trained, descriptor=descriptor))
    for each in (checkpoint, f"{checkpoint}.sha256"):
        store.delete(each)
    return descriptor


def fitted_name(config: TrainedConfig, rows: Sequence[Row], seed: int) -> str:
    """The digest of the descriptor that `fitted` gives.

    Raises:
        DataError: there are fewer than two different images.
    """
    images = hashlib.sha256("".join(sha256 for sha256, _ in _distinct(config, rows)).encode()).hexdigest()
    return digest("trained", VERSION, config.model_dump(mode="json", exclude={"weights", "cache_gib"}), images, seed)


def _distinct(config: TrainedConfig, rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """The images that a run sees, in order of `sha256`."""
    assert config.weights is None, "a file is loaded, not fitted"
    distinct = sorted({row["sha256"]: row for row in sorted(rows, key=lambda row: row["key"])}.items())
    # The first ones in order of their digests are as good as any, and more would never be seen.
    distinct = distinct[: config.steps * config.batch_size]
    if len(distinct) < 2:
        raise DataError(f"descriptor trained: {len(distinct)} different images to learn from; at least 2 are needed")
    return distinct


def train(
    config: TrainedConfig,
    read: Read,
    count: int,
    seed: int,
    threads: int,
    device: torch.device,
    store: Store,
    checkpoint: str,
) -> Fit:
    """A network that has learnt from `count` images; goes on from the blob `checkpoint` and leaves one now and then."""
    fit = Fit(config, seed, device)
    with one_thread_each(threads) as executor:
        with fetched(store, checkpoint) as path:
            if path:
                tensors, metadata = load_tensors(path)
                fit.restore(tensors, int(metadata["step"]))
            else:
                fit.begin(islice(batches(config, read, count, seed, 0, threads), PREPARED))
        saved = time.monotonic()
        with progress("fit trained descriptor", config.steps, "steps", fit.step) as shown:
            for batch in batches(config, read, count, seed, fit.step, threads):
                loss = fit.learn(batch, executor)
                shown.advance(1, f"loss {loss:.3f}")
                if time.monotonic() - saved >= CHECKPOINT_EVERY_S:
                    put(store, checkpoint, partial(_save, fit))
                    saved = time.monotonic()
    return fit


def _save(fit: Fit, path: Path) -> None:
    save_tensors(path, fit.state(), {"step": str(fit.step)})


def _whitening(
    network: CopyNetwork,
    config: TrainedConfig,
    read: Read,
    count: int,
    seed: int,
    threads: int,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = [image_at(position, count, seed)[0] for position in range(min(count, WHITENED))]
    blocks = in_batches(read, numbers, BLOCK, threads)
    vectors = [pooled_vectors(network, images, config.resolution, device, threads) for images in blocks]
    return whitening(np.concatenate(vectors))
