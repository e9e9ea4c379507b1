"""Vectors in the store: one blob for a shard of images, with its checksum beside it."""

import hashlib
import io
from collections.abc import Sequence

import numpy as np

from dinov2.curation.descriptors import Descriptor
from dinov2.storage import Store, digest


def shard_name(descriptor: Descriptor, sha256s: Sequence[str]) -> str:
    """Name of the blob with the vectors of images, after what they depend on.

        embeddings/<descriptor's digest>/<digest of the images' sha256>.npy         float16
        embeddings/<descriptor's digest>/<digest of the images' sha256>.npy.sha256  of the .npy file

    See `Store.write_checked`.
    """
    return f"embeddings/{descriptor.digest}/{digest(list(sha256s))}.npy"


def write_shard(store: Store, name: str, vectors: np.ndarray) -> str:
    """Store (B, D) as float16 and give the checksum."""
    buffer = io.BytesIO()
    np.save(buffer, vectors.astype(np.float16), allow_pickle=False)
    return store.write_checked(name, buffer.getvalue())


def checksum_of(store: Store, name: str) -> str | None:
    """The checksum of the shard `name`; None when it is not there, or damaged, which is said."""
    data = store.read_checked(name)
    return None if data is None else hashlib.sha256(data).hexdigest()


def read_shard(store: Store, name: str, checksum: str) -> np.ndarray | None:
    """Vectors (B, D) float16 of the shard `name`, or None when its bytes are not those of `checksum`."""
    data = store.read(name)
    if hashlib.sha256(data).hexdigest() != checksum:
        return None
    return np.load(io.BytesIO(data), allow_pickle=False)
