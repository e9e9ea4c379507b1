"""The training set: curated images, and the images of the pool that are like them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dinov2.curation.config import RetrieveConfig
from dinov2.curation.retrieval.by_cluster import Clusters, cluster_pool, retrieve_by_cluster
from dinov2.curation.retrieval.by_sample import retrieve_by_sample
from dinov2.curation.retrieval.result import Retrieved, union

WHY = (
    pa.field("reason", pa.string()),
    pa.field("query", pa.string()),
    pa.field("similarity", pa.float32()),
    pa.field("cluster", pa.int32()),
    pa.field("method", pa.string()),
)
"""Columns beside the manifest's. `reason` is "curated", "retrieved" or, where there is no curated source, "pool". A
retrieved image has a `method`: "sample", with the key of the `query` nearest to it and their cosine, or "cluster", with
the number of the cluster."""


@dataclass(frozen=True)
class Curated:
    """Rows of the manifest with the columns `WHY`, in order of key, and counts."""

    table: pa.Table
    metrics: dict[str, Any]


def retrieve(unique: pa.Table, vectors: np.ndarray, config: RetrieveConfig, seed: int) -> Curated:
    """Choose the training images: every curated one, and what each curated source retrieves from the pool.

    Without a curated source the whole pool is taken.

    Args:
        unique: N rows of the manifest, of roles "pool" and "curated", in order of key.
        vectors: (N, D), of any floating type, a row for each row of `unique`.
        config: by which method, and how much.
        seed: of k-means and of the choice within clusters.

    Raises:
        ConfigError: more clusters than images of the pool are asked for.
    """
    in_pool = pc.equal(unique["role"], "pool").to_numpy()
    pool = np.flatnonzero(in_pool)
    by_source = _by_source(unique, vectors, in_pool, config, seed)
    found = union([Retrieved.nothing(len(pool)), *by_source.values()])
    taken = found.taken if by_source else np.ones(len(pool), bool)
    reason = np.where(in_pool, "retrieved" if by_source else "pool", "curated")
    table = unique
    for field, values in zip(WHY, _why(unique["key"], reason, pool, found), strict=True):
        table = table.append_column(field, values)
    kept = ~in_pool
    kept[pool[taken]] = True
    return Curated(table.filter(kept), _metrics(unique, kept, in_pool, by_source, config))


def method_for(queries: int, config: RetrieveConfig) -> str:
    """ "sample" or "cluster", for a curated source of so many images."""
    if config.method == "auto":
        return "sample" if queries > config.sample_above else "cluster"
    return config.method


def _by_source(
    unique: pa.Table, vectors: np.ndarray, in_pool: np.ndarray, config: RetrieveConfig, seed: int
) -> dict[str, Retrieved]:
    """What each curated source retrieves."""
    keys = unique["key"].filter(in_pool).to_pylist()
    sources = np.array(unique["source"].to_pylist(), dtype=object)
    pool = vectors[in_pool]

    @cache
    def clusters() -> Clusters:
        return cluster_pool(pool, config.clusters, seed)

    def one(source: str) -> Retrieved:
        queries = np.flatnonzero(~in_pool & (sources == source))
        if method_for(len(queries), config) == "sample":
            return retrieve_by_sample(vectors[queries], queries, pool, config.neighbours)
        return retrieve_by_cluster(vectors[queries], clusters(), keys, config, seed)

    return {source: one(source) for source in sorted(set(sources[~in_pool]))}


def _why(keys: pa.ChunkedArray, reason: np.ndarray, pool: np.ndarray, found: Retrieved) -> list[pa.Array]:
    """The columns `WHY` for every row."""
    query, cluster = np.full(len(reason), -1), np.full(len(reason), -1, np.int32)
    similarity = np.full(len(reason), -np.inf, np.float32)
    query[pool], similarity[pool], cluster[pool] = found.query, found.similarity, found.cluster
    method = np.where(query >= 0, "sample", "cluster")
    return [
        pa.array(reason, pa.string()),
        keys.take(pa.array(query, mask=query < 0)).combine_chunks(),
        pa.array(similarity, mask=query < 0),
        pa.array(cluster, mask=cluster < 0),
        pa.array(method, pa.string(), mask=(query < 0) & (cluster < 0)),
    ]


def _metrics(
    unique: pa.Table, kept: np.ndarray, in_pool: np.ndarray, by_source: dict[str, Retrieved], config: RetrieveConfig
) -> dict[str, Any]:
    sources = np.array(unique["source"].to_pylist(), dtype=object)
    asked = {source: int((~in_pool & (sources == source)).sum()) for source in by_source}
    return {
        "images": int(kept.sum()),
        "pool": int(in_pool.sum()),
        "from_pool": int((kept & in_pool).sum()),
        "whole_pool": not by_source,
        "sources": {source: int((kept & (sources == source)).sum()) for source in sorted(set(sources))},
        "queries": {
            source: {
                "method": method_for(asked[source], config),
                "images": asked[source],
                "retrieved": int(f.taken.sum()),
            }
            for source, f in by_source.items()
        },
    }
