"""A fitted descriptor in a safetensors file: the network, the whitening, and the config in the metadata."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from dinov2.config import parse
from dinov2.curation.config import TrainedConfig
from dinov2.curation.descriptors.trained.descriptor import VERSION, TrainedDescriptor
from dinov2.curation.descriptors.trained.network import CopyNetwork
from dinov2.errors import DataError
from dinov2.models.official import under
from dinov2.models.weights import check_fit, load_tensors, save_tensors
from dinov2.storage import Store, digest, file_sha256

KIND = "trained_descriptor"
"""The key of the metadata that holds the config."""


def is_trained(path: Path) -> bool:
    """Whether the safetensors file `path` holds a fitted descriptor."""
    return KIND in load_tensors(path)[1]


def save_trained(path: Path, descriptor: TrainedDescriptor) -> None:
    """Write a fitted descriptor to one file."""
    network = {f"network.{name}": tensor for name, tensor in descriptor.network.state_dict().items()}
    whitening = {"whitening.mean": descriptor.mean, "whitening.matrix": descriptor.matrix}
    content = descriptor.config.model_dump(mode="json") | {"weights": None}
    save_tensors(path, network | whitening, {KIND: json.dumps({"version": VERSION, "config": content}, sort_keys=True)})


def load_trained(
    path: Path, device: torch.device | None = None, threads: int | None = None, name: str | None = None
) -> TrainedDescriptor:
    """The descriptor that `save_trained` wrote.

    Args:
        path: the file.
        device: where to compute; the CPU when None.
        threads: that compute at once; as many as torch would take when None.
        name: its digest; else the file's content is what names it.

    Raises:
        DataError: the file is missing, damaged or holds something else.
    """
    tensors, metadata = load_tensors(path)
    if KIND not in metadata:
        raise DataError(f"{path}: its metadata has no {KIND!r}; it is not a descriptor fitted here")
    content = json.loads(metadata[KIND])
    if content["version"] != VERSION:
        raise DataError(f"{path}: version {content['version']} of the descriptor; this code reads {VERSION}")
    config = parse(TrainedConfig, content["config"], str(path))
    network = CopyNetwork(config)
    own = under(tensors, "network.")
    check_fit(network, own, str(path))
    network.load_state_dict(own)
    mean, matrix = (_whitening(path, tensors, part, config.dim) for part in ("mean", "matrix"))
    named = name or digest("trained", VERSION, file_sha256(path))
    return TrainedDescriptor(config, network, mean, matrix, named, device, threads)


def _whitening(path: Path, tensors: dict[str, Tensor], part: str, dim: int) -> Tensor:
    shape = {"mean": (dim,), "matrix": (dim, dim)}[part]
    found = tensors.get(f"whitening.{part}")
    if found is None or tuple(found.shape) != shape:
        raise DataError(f"{path}: whitening.{part} is {None if found is None else tuple(found.shape)}, not {shape}")
    return found


def put(store: Store, blob: str, write: Callable[[Path], None]) -> None:
    """Put what `write` writes to a local path into the store, with its checksum."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(blob).name
        write(path)
        store.write_checked(blob, path.read_bytes())


@contextmanager
def fetched(store: Store, blob: str) -> Iterator[Path | None]:
    """A local copy of a blob while the block runs; None when the store has no whole one."""
    data = store.read_checked(blob)
    if data is None:
        yield None
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(blob).name
        path.write_bytes(data)
        yield path
