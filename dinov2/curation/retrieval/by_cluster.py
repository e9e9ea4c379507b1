"""Cluster-based retrieval: parts of the clusters of the pool that queries fall into (paper, appendix A.4)."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from dinov2.curation.config import RetrieveConfig
from dinov2.curation.keep import Keep
from dinov2.curation.kmeans import assign, spherical_kmeans
from dinov2.curation.vectors import Vectors
from dinov2.curation.workplace import Described, Workplace
from dinov2.errors import ConfigError

TAKE = """
INSERT INTO taken
WITH hit AS (SELECT source, cluster FROM asked JOIN query USING (row) JOIN manifest USING (sha256)
             WHERE role = 'curated' GROUP BY source, cluster HAVING count(*) > $min_hits),
     drawn AS (SELECT hit.source, member.row, similarity, cluster, sha256(concat($seed, ':', key)) AS draw
               FROM hit JOIN member USING (cluster) JOIN image USING (row) JOIN manifest USING (sha256)
               WHERE role = 'pool'),
     few AS (SELECT * FROM drawn
              QUALIFY row_number() OVER (PARTITION BY source, cluster ORDER BY draw, row) <= $per_cluster)
SELECT row, source, NULL, similarity, cluster, 'cluster'
FROM few QUALIFY row_number() OVER (PARTITION BY source ORDER BY draw, row) <= $cap
"""
"""Which images of a cluster are taken is up to a hash of the seed and the key: the same in any order of the pool."""


def centroids(pool: Described, config: RetrieveConfig, seed: int, place: Workplace) -> np.ndarray:
    """(clusters, D) float32 centres of the pool.

    Raises:
        ConfigError: more clusters than images are asked for.
    """
    if config.clusters > pool.vectors.count:
        raise ConfigError(
            f"retrieve.clusters: {config.clusters}: more than the {pool.vectors.count} images left of the pool"
        )
    keep = place.keep.within("clusters", pool.digest, config.clusters, seed)
    memory = config.search.memory_gib
    return spherical_kmeans(pool.vectors, config.clusters, seed, keep=keep, memory_gib=memory)


def members(vectors: Vectors, centres: np.ndarray, keep: Keep | None = None) -> Iterator[pa.RecordBatch]:
    """(row, cluster, similarity): the nearest centre of each vector and the cosine to it."""
    for start, cluster, similarity in assign(vectors, centres, keep=keep):
        row = np.arange(start, start + len(cluster))
        yield pa.record_batch({"row": row, "cluster": cluster, "similarity": similarity})
