"""Cluster-based retrieval: parts of the clusters of the pool that queries fall into (paper, appendix A.4)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dinov2.curation.config import RetrieveConfig
from dinov2.curation.kmeans import assign, spherical_kmeans
from dinov2.curation.retrieval.result import Retrieved
from dinov2.errors import ConfigError


@dataclass(frozen=True)
class Clusters:
    """The pool in clusters: centroids (C, D) and the cluster (P,) of each image."""

    centroids: np.ndarray
    members: np.ndarray


def cluster_pool(pool: np.ndarray, clusters: int, seed: int) -> Clusters:
    """Clusters of (P, D) vectors.

    Raises:
        ConfigError: more clusters than images are asked for.
    """
    if clusters > len(pool):
        raise ConfigError(f"retrieve.clusters: {clusters}: more than the {len(pool)} images left of the pool")
    centroids = spherical_kmeans(pool, clusters, seed)
    return Clusters(centroids, assign(pool, centroids)[0])


def retrieve_by_cluster(
    queries: np.ndarray, clusters: Clusters, keys: Sequence[str], config: RetrieveConfig, seed: int
) -> Retrieved:
    """Images of every cluster with more than `min_hits` queries, `per_cluster` of each and `cap` in all.

    Which ones is decided by a hash of the key and the seed: the same for any order of the pool.

    Args:
        queries: (Q, D) vectors.
        clusters: of the pool.
        keys: of the pool's P images.
        config: how many.
        seed: of the choice.
    """
    hits = np.bincount(assign(queries, clusters.centroids)[0], minlength=len(clusters.centroids))
    within = np.flatnonzero(hits[clusters.members] > config.min_hits)
    draws = np.array([_draw(keys[image], seed) for image in within.tolist()], np.uint64)
    drawn = within[np.lexsort((within, draws))]
    chosen = drawn[_rank_within(clusters.members[drawn]) < config.per_cluster][: config.cap]
    found = Retrieved.nothing(len(keys))
    found.cluster[chosen] = clusters.members[chosen]
    return found


def _draw(key: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:8], "big")


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """(N,) how many of the same group come before each."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], groups[order])
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - starts
    return ranks
