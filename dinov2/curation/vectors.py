"""Vectors of chosen images, read back from the store through the index."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dinov2.curation.shards import read_shard
from dinov2.errors import DataError
from dinov2.storage import Store


def read_vectors(index: pa.Table, descriptor: str, keys: pa.ChunkedArray, store: Store) -> np.ndarray:
    """Vectors (N, D) float16 of the images `keys`, in their order; one shard at a time is read.

    Args:
        index: the table that `Embedder` made.
        descriptor: "copy" or "retrieval".
        keys: N keys of the manifest.
        store: where the shards lie.

    Raises:
        DataError: the index lacks a key, or a shard is missing or damaged.
    """
    mine = index.filter(pc.equal(index["descriptor"], descriptor))
    places = pc.index_in(keys, value_set=mine["key"])
    if places.null_count:
        absent = pc.filter(keys, pc.is_null(places))[0].as_py()
        raise DataError(f"data/embeddings.parquet: no {descriptor} vector of {absent}; run `dvc repro embed`")
    found = mine.take(places)
    shards, rows = found["shard"].combine_chunks().dictionary_encode(), found["row"].to_numpy()
    checksums = dict(zip(mine["shard"].to_pylist(), mine["checksum"].to_pylist(), strict=True))
    numbers, vectors = shards.indices.to_numpy(), np.empty((0, 0), np.float16)
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(len(shards.dictionary) + 1))
    for number, name in enumerate(shards.dictionary.to_pylist()):
        shard = _read(store, name, checksums[name])
        if not vectors.size:
            vectors = np.empty((len(keys), shard.shape[1]), np.float16)
        wanted = order[bounds[number] : bounds[number + 1]]
        vectors[wanted] = shard[rows[wanted]]
    return vectors


def _read(store: Store, name: str, checksum: str) -> np.ndarray:
    try:
        shard = read_shard(store, name, checksum)
    except FileNotFoundError:
        raise DataError(f"{store.url_of(name)}: missing from the store; run `dvc repro -f embed`") from None
    if shard is None:
        raise DataError(f"{store.url_of(name)}: damaged (its checksum differs); run `dvc repro -f embed`")
    return shard
