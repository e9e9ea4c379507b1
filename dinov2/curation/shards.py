"""Vectors in the store, in shards: images' vectors and the index that says whose they are."""

import hashlib
import io
import threading
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dinov2.storage import Store, digest

INDEX = pa.schema([pa.field("sha256", pa.string(), nullable=False)])
"""Row for row the image that each vector belongs to."""
PARSING = threading.Lock()
"""numpy reads headers by Python's parser, which in Python 3.11 fails now and then when two threads parse at once."""


def write_shard(store: Store, descriptor: str, sha256s: Sequence[str], vectors: np.ndarray) -> str:
    """Store the vectors (B, D) of B images as float16 and give the name of the shard.

        embeddings/<descriptor>/<digest of the images' sha256>.npy      vectors
        embeddings/<descriptor>/<digest of the images' sha256>.parquet  rows of `INDEX`

    each with its checksum beside it (.sha256). The index comes last: without one there is no shard.

    Args:
        store: where.
        descriptor: digest of what made the vectors.
        sha256s: of the images' bytes.
        vectors: theirs, in the same order.
    """
    name = f"embeddings/{descriptor}/{digest(list(sha256s))}"
    data, index = io.BytesIO(), io.BytesIO()
    np.save(data, vectors.astype(np.float16), allow_pickle=False)
    pq.write_table(pa.table([pa.array(sha256s, pa.string())], schema=INDEX), index, compression="zstd")
    store.write_checked(f"{name}.npy", data.getvalue())
    store.write(f"{name}.parquet.sha256", hashlib.sha256(index.getvalue()).hexdigest().encode())
    store.write(f"{name}.parquet", index.getvalue())
    return name


def shard_names(store: Store, descriptor: str) -> list[str]:
    """The shards there are of a descriptor, damaged ones too."""
    suffix = ".parquet"
    return [name.removesuffix(suffix) for name in store.list(f"embeddings/{descriptor}") if name.endswith(suffix)]


def read_index(store: Store, name: str) -> pa.Table | None:
    """Rows of `INDEX` of the shard `name`; None when it is not there or damaged."""
    data = _checked(store, f"{name}.parquet")
    return None if data is None else pq.read_table(io.BytesIO(data))


def read_shard(store: Store, name: str) -> np.ndarray | None:
    """Vectors (B, D) float16 of the shard `name`; None when they are not there or damaged."""
    data = _checked(store, f"{name}.npy")
    if data is None:
        return None
    with PARSING:
        return np.load(io.BytesIO(data), allow_pickle=False)


def is_whole(store: Store, name: str) -> bool:
    """Whether the vectors of the shard `name` are there as they were written."""
    return _checked(store, f"{name}.npy") is not None


def delete_shard(store: Store, name: str) -> None:
    """Remove the shard `name`, or what is left of it."""
    for suffix in (".parquet", ".parquet.sha256", ".npy", ".npy.sha256"):
        store.delete(name + suffix)


def _checked(store: Store, name: str) -> bytes | None:
    try:
        data, checksum = store.read(name), store.read(f"{name}.sha256")
    except FileNotFoundError:
        return None
    return data if hashlib.sha256(data).hexdigest().encode() == checksum else None
