"""Balanced sampling: alike from all clusters of the pool, without queries (Vo et al. 2024)."""

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa

from dinov2.curation.config import RetrieveConfig
from dinov2.curation.kmeans import Hierarchy, hierarchy, quotas
from dinov2.curation.workplace import Described, Workplace
from dinov2.errors import ConfigError

TAKE = """
INSERT INTO taken
SELECT row, NULL, NULL, similarity, cluster, 'balanced'
FROM member JOIN quota USING (cluster) JOIN image USING (row) JOIN manifest USING (sha256) WHERE role = 'pool'
QUALIFY row_number() OVER (PARTITION BY cluster ORDER BY sha256(concat($seed, ':', key)), row) <= images
"""


def clusters(pool: Described, config: RetrieveConfig, seed: int, place: Workplace) -> Hierarchy:
    """Clusters of the pool, clusters of these, and so on.

    Raises:
        ConfigError: more clusters than images are asked for.
    """
    if config.levels[0] > pool.vectors.count:
        raise ConfigError(f"retrieve.levels: {config.levels[0]}: more than the {pool.vectors.count} images of the pool")
    keep = place.keep.within("hierarchy", pool.digest, config.levels, seed)
    return hierarchy(pool.vectors, config.levels, seed, keep=keep, memory_gib=config.search.memory_gib)


def shares(connection: duckdb.DuckDBPyConnection, found: Hierarchy, target: int) -> Iterator[pa.RecordBatch]:
    """(cluster, images): how many images each of the finest clusters gives, by the sizes in the table `member`."""
    sizes = np.zeros(len(found.centroids[0]), np.int64)
    for cluster, size in connection.sql("SELECT cluster, count(*) FROM member GROUP BY cluster").fetchall():
        sizes[cluster] = size
    columns = {"cluster": np.arange(len(sizes), dtype=np.int32), "images": quotas(sizes, found.parents, target)}
    yield pa.record_batch(columns)
